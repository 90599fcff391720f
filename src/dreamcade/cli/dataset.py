"""`dreamcade dataset`: what a recording holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from rich.console import Console
from rich.status import Status

from dreamcade.core.files import atomic_path, write_json
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.summary import contact_sheet, summarize, summary_text

dataset_app = typer.Typer(help="Look into recorded datasets.", no_args_is_help=True)


@dataset_app.callback()
def dataset() -> None:
    """Look into recorded datasets."""


@dataset_app.command()
def info(
    folder: Annotated[Path, typer.Argument(help="Folder of the dataset.")],
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    thumbnails: Annotated[Path | None, typer.Option(help="Write a sheet of thumbnails to this PNG file.")] = None,
) -> None:
    """Size, duration, splits, histogram of actions, coverage.

    Example: dreamcade dataset info data/racing --thumbnails racing.png
    """
    opened = Dataset.open(folder)
    with Status("reading", console=Console(stderr=True)):
        summary = summarize(opened)
        if thumbnails:
            with atomic_path(thumbnails) as temporary:
                Image.fromarray(contact_sheet(opened)).save(temporary, format="PNG")
    typer.echo(summary_text(summary))
    if json:
        write_json(json, summary.to_json())
