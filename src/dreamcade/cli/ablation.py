"""`dreamcade bench ablation`: what does each of the engine's ideas bring, and what does it cost?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamcade.cli.options import Device, KernelPath, Steps, play_options
from dreamcade.cli.stage_bars import stage_bars

if TYPE_CHECKING:
    from dreamcade.evaluation.metrics import Progress
    from dreamcade.world.world import World


def ablation(
    world: Annotated[str, typer.Argument(help="A shipped world or a folder.")],
    data: Annotated[Path, typer.Option(help="The dataset whose held-out play is played again.")],
    seconds: Annotated[float, typer.Option(min=1, help="Of recorded inputs, in real time, on every rung.")] = 30.0,
    windows: Annotated[int, typer.Option(min=1, help="Stretches of play whose pictures are compared.")] = 12,
    ticks: Annotated[int, typer.Option(min=1, help="Ticks of each.")] = 32,
    browser: Annotated[
        float, typer.Option(min=0, help="Seconds of key presses in Chromium on every rung; 0: without a browser.")
    ] = 20.0,
    seed: Annotated[int, typer.Option(min=0, help="Same seed: same inputs, windows and noise.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the ladder into this PNG.")] = None,
    device: Device = "auto",
    steps: Steps = None,
    kernels: KernelPath = "auto",
) -> None:
    """Play the same recorded inputs with and without pipelining, extrapolation and speculation, and compare.

    Example: dreamcade bench ablation racing --data data/racing --plot ladder.png --json ladder.json
    """
    # Imported here: `dreamcade --help` needs neither PyTorch nor a browser.
    from dreamcade.core.files import expect_writable, write_json, write_whole
    from dreamcade.dataset.reader import Dataset
    from dreamcade.engine.engine import Engine
    from dreamcade.evaluation.ladder_table import describe, ladder_table
    from dreamcade.evaluation.windows import expect_its_game
    from dreamcade.world.world import World

    for file in filter(None, (json, plot)):
        expect_writable(file)
    dataset, loaded = Dataset.open(data), World.load(world)
    expect_its_game(loaded, dataset)
    options = play_options(device, steps, kernels)
    with stage_bars() as progress:
        rungs = _from_hand_to_eye(world, browser, seed, options, progress) if browser else {}
        engine = Engine(loaded, device=device, sampling_steps=steps, kernels=kernels)
        figures = _measure(engine, dataset, seconds, windows, ticks, seed, rungs, progress)
    if json:
        write_json(json, figures)
    if plot:
        from dreamcade.evaluation.ladder_plot import plot_ladder

        write_whole(plot, plot_ladder(figures))
    for line in [*ladder_table(figures), *describe(figures), *_lacking(loaded)]:
        typer.echo(line)


def _from_hand_to_eye(
    world: str, seconds: float, seed: int, options: Sequence[str], progress: Progress
) -> dict[str, dict[str, Any]]:
    """Motion to photon on every rung, before this process computes anything: nothing else may disturb it."""
    import dataclasses

    from dreamcade.evaluation.ladder import RUNGS
    from dreamcade.server.latency_bench import bench_latency

    figures = {}
    for at, (name, modes) in enumerate(RUNGS.items()):
        run = bench_latency(world, seconds, modes=dataclasses.asdict(modes), options=options, seed=seed)
        figures[name] = run.figures
        progress("pressing keys in Chromium", at + 1, len(RUNGS))
    return figures


def _measure(
    engine: Any, dataset: Any, seconds: float, windows: int, ticks: int, seed: int,
    browsed: Mapping[str, Mapping[str, Any]], progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    import dataclasses

    from dreamcade.evaluation.ladder import climb
    from dreamcade.evaluation.likeness import compare_play
    from dreamcade.evaluation.machine import machine_name
    from dreamcade.evaluation.windows import anywhere, choose_windows
    from dreamcade.server.encoding import encode_jpeg

    rungs = climb(engine, dataset, encode_jpeg, seconds, seed=seed, progress=progress)
    engine.use_all_cores()
    chosen = choose_windows(dataset, windows, ticks, seed, anywhere)
    likeness = compare_play(engine, dataset, chosen, ticks, seed=seed, progress=progress)
    for name, figures in rungs.items():
        extrapolated = figures["modes"]["extrapolation"] and True in likeness
        figures["picture"] = dataclasses.asdict(likeness[extrapolated])
        if name in browsed:
            kept = ("m2p_ms_p50", "m2p_ms_p95", "m2p_ms_p99", "stages", "shares", "hit_rate", "fps", "changes")
            figures["browser"] = {key: browsed[name][key] for key in kept}
    manifest = engine.world.manifest
    return {
        "world": manifest.name, "frame_size": list(manifest.frame_size), "tick_rate": manifest.tick_rate,
        "seconds": seconds, "windows": len(chosen), "ticks": ticks, "seed": seed, "rungs": rungs,
        "device": str(engine.device), "path": engine.path, "machine": machine_name(engine.device),
    }  # fmt: skip


def _lacking(world: World) -> Sequence[str]:
    from dreamcade.engine.modes import lacking

    return [f"{mode} changes nothing here: {reason}" for mode, reason in lacking(world).items()]
