"""`dreamcade evaluate`: is a world good? Figures beside baselines, pictures, and a report."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dreamcade.cli.options import Device, KernelPath, Steps
from dreamcade.cli.stage_bars import stage_bars


def evaluate(
    world: Annotated[str, typer.Argument(help="A shipped world, a folder or a hub id.")],
    data: Annotated[Path, typer.Option(help="The dataset; its held-out episodes are used.")],
    report: Annotated[Path, typer.Option(help="Folder for report.html, figures.json and the strips.")],
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file too.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A small version: an hour becomes minutes.")] = False,
    axis: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this one (may be repeated): frames, distribution, control, rules, closed_loop, long_play."
        ),
    ] = None,
    windows: Annotated[int | None, typer.Option(min=1, help="Held-out windows; 48 unless given.")] = None,
    starts: Annotated[int | None, typer.Option(min=1, help="Plays of the pilot; 12 unless given.")] = None,
    pilot_seconds: Annotated[
        float | None, typer.Option(min=1, help="How long the pilot plays; 60, or 300 on a road, unless given.")
    ] = None,
    long_frames: Annotated[int | None, typer.Option(min=100, help="Frames of long play; 10000 unless given.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed: same windows and noise.")] = 0,
    device: Device = "auto",
    steps: Steps = None,
    kernels: KernelPath = "auto",
) -> None:
    """Measure a world on held-out play: frames, distribution, control, rules, a pilot that sees pictures, long play.

    Example: dreamcade evaluate racing --data data/racing --report report
    """
    # Imported here: `dreamcade --help` needs neither PyTorch nor matplotlib.
    from dreamcade.core.files import expect_writable, write_json
    from dreamcade.dataset.reader import Dataset
    from dreamcade.evaluation.evaluate import AXES, evaluate_world
    from dreamcade.evaluation.plan import QUICK, EvaluationPlan
    from dreamcade.world.world import World

    asked = {"windows": windows, "starts": starts, "pilot_seconds": pilot_seconds, "long_frames": long_frames}
    given = {name: value for name, value in asked.items() if value is not None}
    plan = dataclasses.replace(QUICK if quick else EvaluationPlan(), **given)  # type: ignore[arg-type]
    if json:
        expect_writable(json)
    dataset = Dataset.open(data)
    loaded = World.load(world)
    with stage_bars() as progress:
        figures = evaluate_world(
            loaded, dataset, report, plan=plan, seed=seed, device=device, sampling_steps=steps,
            kernels=kernels, axes=tuple(axis) if axis else AXES, progress=progress,
        )  # fmt: skip
    if json:
        write_json(json, figures)
    console = Console()
    for name, sentence in figures["summary"].items():
        console.print(f"{name.replace('_', ' ')}: {sentence}", markup=False)
    table = Table("", "measured", "must be", "", box=None)
    for line in figures["criteria"]:
        word = {True: "[green]holds", False: "[red]fails", None: "[dim]open"}[line["holds"]]
        table.add_row(line["title"], line["value"], line["target"], word)
    console.print(table)
    for note in figures["notes"]:
        console.print(note, markup=False)
    for name, reason in dataset.damaged:
        console.print(f"left out: episode {name} ({reason})", markup=False)
    console.print(f"report: {report / 'report.html'}", markup=False, soft_wrap=True)
