"""`dreamcade calibrate`: teaches a world which frames it may extrapolate, and how."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from dreamcade.cli.stage_bars import stage_bars

if TYPE_CHECKING:
    from dreamcade.evaluation.calibration import Calibration


def calibrate(
    world: Annotated[str, typer.Argument(help="A shipped world, a folder or a hub id.")],
    data: Annotated[Path, typer.Option(help="A dataset of its game; learns from its training episodes.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle to write; may be the world's own.")],
    windows: Annotated[int, typer.Option(min=1, help="Held-out windows that are played on.")] = 24,
    ticks: Annotated[int, typer.Option(min=2, help="Ticks that each is played on for.")] = 32,
    budget_db: Annotated[float, typer.Option(help="What skipping may cost, in dB of PSNR to the real frames.")] = 0.5,
    budget_lpips: Annotated[float, typer.Option(help="By what share LPIPS may grow: PSNR forgives blur.")] = 0.1,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of the extrapolator.")] = 2000,
    again: Annotated[bool, typer.Option("--again", help="Keep the extrapolator it has, set its guards anew.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Same seed: same windows, noise and training.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file too.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw skips against loss into this PNG.")] = None,
) -> None:
    """Teach a world to skip passes where motion is smooth, as often as it costs at most a budget of quality.

    Example: dreamcade calibrate racing --data data/racing --out worlds/racing
    """
    from dreamcade.core.errors import BadInputError
    from dreamcade.core.files import expect_writable, write_json
    from dreamcade.dataset.reader import Dataset
    from dreamcade.evaluation.calibration import Budget, calibrated
    from dreamcade.evaluation.calibration import calibrate as search
    from dreamcade.evaluation.skipping import open_playground
    from dreamcade.training.extrapolator_trainer import ExtrapolatorTraining, read_stretches, train_extrapolator
    from dreamcade.world.world import World

    for file in (json, plot):
        if file is not None:
            expect_writable(file)
    loaded, dataset = World.load(world), Dataset.open(data)
    if again and loaded.extrapolator is None:
        raise BadInputError(f"{world} has no extrapolator to keep; leave --again out")
    with stage_bars() as progress:
        playground = open_playground(loaded, dataset, windows, ticks, seed)
        extrapolator = loaded.extrapolator if again else None
        if extrapolator is None:
            training = ExtrapolatorTraining(steps=steps, seed=seed)
            stretches = read_stretches(loaded, dataset, training.frames, seed, progress)
            extrapolator = train_extrapolator(loaded, stretches, training, progress)
        found = search(playground, extrapolator, Budget(budget_db, budget_lpips), progress)
    if json is not None:
        write_json(json, found.to_json())
    if plot is not None:
        _draw(found, plot)
    _print(found)
    made = calibrated(loaded, extrapolator, found)
    if made is None:
        typer.echo(
            f"even the fewest skips cost more than {budget_db:g} dB or {budget_lpips:.0%} of LPIPS: nothing is stored"
        )
        return
    typer.echo(f"stored in {made.save(out).folder}")


def _draw(found: Calibration, file: Path) -> None:
    from dreamcade.core.files import write_whole
    from dreamcade.evaluation.plots import plot_skips

    write_whole(file, plot_skips(found.to_json()["tried"], found.budget.psnr))


def _print(found: Calibration) -> None:
    table = Table("method", "skipped", "PSNR, dB", "lost, dB", "to full, dB", "LPIPS", "ms a tick so made", box=None)
    for row in found.methods:
        table.add_row(
            row["method"], f"{row['skipped']:.0%}", f"{row['psnr']:.2f}", f"{row['loss_db']:.2f}",
            _number(row["psnr_to_full"], 2), _number(row["lpips"], 3), f"{row['ms']:.2f}",
        )  # fmt: skip
    console = Console()
    console.print(table)
    if found.chosen is not None:
        config = found.chosen.config
        console.print(
            f"skips {found.chosen.share:.0%} of ticks for {found.chosen.loss:.2f} dB: at most {config.most_skips} in a "
            f"row, actions at most {config.action_distance:g} apart, curvature at most {config.curvature:g}",
            markup=False, soft_wrap=True,
        )  # fmt: skip


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
