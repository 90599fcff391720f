"""`dreamcade bench pipeline`: how near several processes come to their slowest stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dreamcade.cli.stage_bars import stage_bars


def pipeline(
    world: Annotated[str, typer.Argument(help="A shipped world or a folder, for its shapes.")] = "racing",
    layouts: Annotated[str, typer.Option(help="Splits by commas, 1+N each.")] = "1+1,1+2,1+3",
    pass_ms: Annotated[float, typer.Option(help="Milliseconds of a pass.")] = 20.0,
    picture_ms: Annotated[float, typer.Option(help="Milliseconds of a picture.")] = 50.0,
    duty: Annotated[float | None, typer.Option(help="Share of these that a core computes; none: what fits.")] = None,
    seconds: Annotated[float, typer.Option(help="Of each split.")] = 5.0,
    real: Annotated[
        bool, typer.Option("--real", help="Also play the world itself, in one process and in two.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
) -> None:
    """Play stages of known time through real processes: their frames a second, the bound, the prediction.

    Example: dreamcade bench pipeline --layouts 1+1,1+2 --pass-ms 20 --picture-ms 50
    """
    from dreamcade.core.files import expect_writable, write_json
    from dreamcade.evaluation.pipeline import bench_pipeline, parse_splits
    from dreamcade.world.world import World

    if json:
        expect_writable(json)
    splits = parse_splits(layouts)
    with stage_bars() as progress:
        figures = bench_pipeline(World.load(world), splits, pass_ms, picture_ms, seconds, duty, real, progress)
    if json:
        write_json(json, figures)
    for line in pipeline_lines(figures):
        typer.echo(line)


def pipeline_lines(figures: dict[str, Any]) -> list[str]:
    """The table and what it means."""
    width, height = figures["frame_size"]
    lines = [
        f"Stand-ins for stages, frames of {width}x{height}: real products on a core for the share under `duty`, rest "
        "for the remainder, as a host waits for an accelerator.",
        f"{'split':<7}{'pass':>7}{'picture':>9}{'duty':>6}{'FPS':>8}{'bound':>8}{'share':>7}{'predicted':>11}{'off':>7}"
        f"{'latency p50':>13}{'p95':>7}",
    ]
    lines += [
        f"{row['split']:<7}{row['pass_ms']:>7.1f}{row['picture_ms']:>9.1f}{row['duty']:>6.2f}{row['fps']:>8.1f}"
        f"{row['bound_fps']:>8.1f}{row['share_of_bound']:>7.0%}{row['predicted_fps']:>11.1f}{row['off']:>+7.0%}"
        f"{row['latency_ms_p50']:>13.1f}{row['latency_ms_p95']:>7.1f}"
        for row in figures["splits"]
    ]
    lines += [
        f"{figures['world']} itself, {name}: {real['fps']:.1f} FPS (dynamics {real['dynamics_ms_p50']:.1f}, "
        f"decode {real['decode_ms_p50']:.1f} ms) on {real['path']}"
        for name, real in figures.get("real", {}).items()
    ]
    return [*lines, f"{figures['machine']}, load {figures['load_before']:.1f} before"]
