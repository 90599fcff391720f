"""`dreamcade bench`: is it fast? Every figure names the machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamcade.cli.ablation import ablation
from dreamcade.cli.bench_calibrate import calibrate
from dreamcade.cli.bits import bits
from dreamcade.cli.options import Device, Devices, KernelPath, PlanOption, Steps, play_options, spread_options
from dreamcade.cli.paper import paper
from dreamcade.cli.pipeline import pipeline
from dreamcade.cli.roofline import roofline
from dreamcade.cli.stage_bars import stage_bars

if TYPE_CHECKING:
    from dreamcade.evaluation.latency import Changes

bench_app = typer.Typer(help="Measure speed.", no_args_is_help=True)


@bench_app.callback()
def bench() -> None:
    """Measure speed.

    Example: dreamcade bench play racing --seconds 20
    """


bench_app.command()(ablation)
bench_app.command()(bits)
bench_app.command()(calibrate)
bench_app.command()(roofline)
bench_app.command()(paper)
bench_app.command()(pipeline)


@bench_app.command()
def play(
    world: Annotated[str, typer.Argument(help="A shipped world, a folder or a hub id.")],
    seconds: Annotated[float, typer.Option(help="How long to play.")] = 20.0,
    unpaced: Annotated[bool, typer.Option("--unpaced", help="As fast as it goes instead of in real time.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    device: Device = "auto",
    steps: Steps = None,
    kernels: KernelPath = "auto",
    against: Annotated[str | None, typer.Option(help="Kernels to play by turns with, for a ratio in one run.")] = None,
    devices: Devices = None,
    plan: PlanOption = None,
) -> None:
    """Play a world without a page, encoding included.

    Example: dreamcade bench play racing --seconds 20 --unpaced --json bench.json
    """
    # Imported here: `dreamcade --help` needs no PyTorch.
    from dreamcade.core.files import expect_writable, write_json
    from dreamcade.evaluation.bench import bench_play
    from dreamcade.server.encoding import encode_jpeg
    from dreamcade.world.world import World

    if json:
        expect_writable(json)
    spread, layout = spread_options(device, devices, plan) if devices or plan else (None, None)
    loaded = World.load(world)
    with stage_bars() as progress:
        figures = bench_play(
            loaded, seconds, unpaced, encode_jpeg, device=device, sampling_steps=steps, kernels=kernels,
            against=against, progress=progress, devices=spread, plan=layout,
        )  # fmt: skip
    if json:
        write_json(json, figures)
    for line in _play_lines(figures):
        typer.echo(line)


def _play_lines(figures: dict[str, Any]) -> list[str]:
    width, height = figures["frame_size"]
    pace = "in real time" if figures["paced"] else "as fast as it goes"
    lines = [f"{figures['fps']:.1f} FPS at {width}x{height}, {pace}", *_stage_lines(figures)]
    if "against" in figures:
        other = figures["against"]
        lines += [f"by turns with {other['path']}: {other['fps']:.1f} FPS", *_stage_lines(other)]
        lines.append(f"{figures['fps'] / other['fps']:.2f} times the frames per second")
    return [*lines, f"{figures['machine']}, {figures['sampling_steps']} sampling steps"]


def _stage_lines(figures: dict[str, Any]) -> list[str]:
    return [
        f"a frame every {figures['interval_ms_p50']:.1f} ms (p99 {figures['interval_ms_p99']:.1f}), "
        f"each taking {figures['tick_ms_p50']:.1f} ms (p99 {figures['tick_ms_p99']:.1f}): "
        f"dynamics {figures['dynamics_ms_p50']:.1f}, decode {figures['decode_ms_p50']:.1f}, "
        f"encode {figures['encode_ms_p50']:.1f}; {figures['peak_rss_mb']:.0f} MB",
        f"on {figures['path']}",
    ]


@bench_app.command()
def latency(
    world: Annotated[str, typer.Argument(help="A shipped world or a folder.")],
    seconds: Annotated[float, typer.Option(help="How long keys are pressed.")] = 60.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the plan of key presses.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the stages into this PNG.")] = None,
    device: Device = "auto",
    steps: Steps = None,
    kernels: KernelPath = "auto",
    speculation: Annotated[bool | None, typer.Option(help="Switch it; neither: as the world is played.")] = None,
    extrapolation: Annotated[bool | None, typer.Option(help="Likewise.")] = None,
    in_between: Annotated[bool | None, typer.Option(help="Likewise.")] = None,
    pipeline: Annotated[bool | None, typer.Option(help="Likewise.")] = None,
) -> None:
    """Measure key to picture: a real server, a real browser, real key presses.

    Example: dreamcade bench latency racing --seconds 60 --no-speculation --plot latency.png
    """
    from dreamcade.core.device import resolve_device
    from dreamcade.core.files import expect_writable, write_json
    from dreamcade.evaluation.machine import machine_name
    from dreamcade.server.latency_bench import bench_latency

    for file in filter(None, (json, plot)):
        expect_writable(file)
    machine = machine_name(resolve_device(device))
    wanted = {
        "speculation": speculation, "extrapolation": extrapolation, "in_between": in_between, "pipeline": pipeline
    }  # fmt: skip
    modes = {name: on for name, on in wanted.items() if on is not None}
    options = play_options(device, steps, kernels)
    with stage_bars() as progress:
        run = bench_latency(world, seconds, modes=modes, options=options, seed=seed, progress=progress)
    figures = {**run.figures, "machine": machine}
    if json:
        write_json(json, figures)
    if plot:
        _draw(run.changes, figures, plot)
    for line in _latency_lines(figures):
        typer.echo(line)


def _draw(changes: Changes, figures: dict[str, Any], file: Path) -> None:
    from dreamcade.core.files import write_whole
    from dreamcade.evaluation.latency_plot import plot_latency

    png = plot_latency(changes, figures["effective_ms"], f"{figures['world']}: where the milliseconds go")
    write_whole(file, png)


def _latency_lines(figures: dict[str, Any]) -> list[str]:
    from dreamcade.evaluation.latency import latency_table

    width, height = figures["frame_size"]
    shares = figures["shares"]
    hits = "no drafts" if figures["hit_rate"] is None else f"draft hits {figures['hit_rate']:.0%}"
    on = ", ".join(name.replace("_", "-") for name, value in figures["modes"].items() if value) or "none"
    return [
        *latency_table(figures),
        f"effective (amortized) {figures['effective_ms']:.1f} ms over {figures['frames']} frames",
        f"made {shares['computed']:.0%}, extrapolated {shares['extrapolated']:.0%}, "
        f"in between {shares['in_between']:.0%}, drafted {shares['drafted']:.0%}; {hits}; modes: {on}",
        f"{figures['fps']:.1f} FPS of {figures['tick_rate']:g} at {width}x{height}; "
        f"{figures['changes']} changes by {figures['key_events']} key events",
        f"{figures['machine']}{_busy(figures)}; {figures['browser']}",
        *figures["notes"],
        figures["note"],
    ]


def _busy(figures: dict[str, Any]) -> str:
    load = figures["load_before"]
    return "" if load is None else f", load {load:.1f} before"
