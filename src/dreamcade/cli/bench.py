"""`dreamcade bench`: is it fast? Every figure names the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dreamcade.cli.stage_bars import stage_bars

bench_app = typer.Typer(help="Measure speed.", no_args_is_help=True)


@bench_app.callback()
def bench() -> None:
    """Measure speed.

    Example: dreamcade bench play racing --seconds 20
    """


@bench_app.command()
def play(
    world: Annotated[str, typer.Argument(help="A shipped world, a folder or a hub id.")],
    seconds: Annotated[float, typer.Option(help="How long to play.")] = 20.0,
    unpaced: Annotated[bool, typer.Option("--unpaced", help="As fast as it goes instead of in real time.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
    steps: Annotated[int | None, typer.Option(min=1, max=64, help="Denoising steps; none: the world's own.")] = None,
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
    loaded = World.load(world)
    with stage_bars() as progress:
        figures = bench_play(
            loaded, seconds, unpaced, encode_jpeg, device=device, sampling_steps=steps, progress=progress
        )
    if json:
        write_json(json, figures)
    width, height = figures["frame_size"]
    typer.echo(f"{figures['fps']:.1f} FPS at {width}x{height}, {'as fast as it goes' if unpaced else 'in real time'}")
    typer.echo(
        f"a frame every {figures['interval_ms_p50']:.1f} ms (p99 {figures['interval_ms_p99']:.1f}), "
        f"each taking {figures['tick_ms_p50']:.1f} ms (p99 {figures['tick_ms_p99']:.1f}): "
        f"dynamics {figures['dynamics_ms_p50']:.1f}, decode {figures['decode_ms_p50']:.1f}, "
        f"encode {figures['encode_ms_p50']:.1f}; {figures['peak_rss_mb']:.0f} MB"
    )
    typer.echo(f"{figures['machine']}, {figures['dtype']}, {figures['sampling_steps']} sampling steps")
