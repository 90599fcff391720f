"""`dreamcade bench roofline`: what does a frame wait for, arithmetic or memory?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dreamcade.cli.stage_bars import stage_bars


def roofline(
    name: Annotated[str, typer.Argument(metavar="WORLD|PRESET", help="A shipped world, a folder or a preset.")],
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the roofline into this PNG.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Operations to list for each stage.")] = 12,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each stage; the median counts.")] = 15,
    threads: Annotated[int | None, typer.Option(min=1, help="Of a CPU; none: all cores of this process.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
    steps: Annotated[int | None, typer.Option(min=1, max=64, help="Denoising steps; none: the world's own.")] = None,
    shrink: Annotated[int, typer.Option(min=1, help="Make a preset about so many times smaller each way.")] = 1,
) -> None:
    """Count and time every operation of a frame, against what this machine could do: see the memory wall.

    Example: dreamcade bench roofline racing --plot roofline.png --json roofline.json
    """
    # Imported here: `dreamcade --help` needs no PyTorch.
    from dreamcade.core.files import expect_writable, write_json, write_whole
    from dreamcade.evaluation.roofline_measure import measure_roofline
    from dreamcade.evaluation.roofline_stages import stages_of
    from dreamcade.evaluation.roofline_table import roofline_lines

    if plot:
        from dreamcade.evaluation.roofline_plot import plot_roofline  # before anything is measured: it needs an extra
    for file in filter(None, (json, plot)):
        expect_writable(file)
    subject = stages_of(name, device, steps, threads, shrink)
    with stage_bars() as progress:
        found = measure_roofline(
            subject.name,
            subject.stages,
            subject.modules,
            subject.device,
            repeats,
            subject.played,
            subject.path,
            progress,
        )
    if json:
        write_json(json, found.to_json())
    if plot:
        write_whole(plot, plot_roofline(found))
    for line in roofline_lines(found, top):
        typer.echo(line)
