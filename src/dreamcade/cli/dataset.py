"""`dreamcade dataset`: what a recording holds, and several put into one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from rich.console import Console
from rich.status import Status

from dreamcade.core.files import atomic_path, write_json
from dreamcade.dataset.merge import merge_datasets
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.summary import contact_sheet, summarize, summary_text

dataset_app = typer.Typer(help="Look into recorded datasets; put several into one.", no_args_is_help=True)


@dataset_app.callback()
def dataset() -> None:
    """Look into recorded datasets; put several into one."""


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


@dataset_app.command()
def merge(
    folders: Annotated[list[Path], typer.Argument(help="Folders of two or more datasets of one game.")],
    out: Annotated[Path, typer.Option(help="Folder of the new dataset; must be empty, or not there yet.")],
) -> None:
    """Put datasets of one game into one: a driver's play and your own, to train on both.

    Files are linked, not copied, where the disk can; what is held out stays so. Keys are those of the first dataset.

    Example: dreamcade dataset merge data/racing data/racing-mine --out data/racing-all
    """
    datasets = [Dataset.open(folder) for folder in folders]
    for dataset in datasets:
        for name, reason in dataset.damaged:
            typer.echo(f"left out: {name} of {dataset.path}: {reason}", err=True)
    with Status("merging", console=Console(stderr=True)):
        episodes = merge_datasets(datasets, out)
    held_out, frames = sum(e.split == "heldout" for e in episodes), sum(e.length for e in episodes)
    minutes = frames / datasets[0].meta.tick_rate / 60
    typer.echo(f"{out}: {len(episodes)} episodes ({held_out} held out), {frames} frames, {minutes:.1f} minutes of play")
    if again := sum(len(dataset.episodes()) for dataset in datasets) - len(episodes):
        typer.echo(f"{again} episodes are in more than one of them, and came in once")
