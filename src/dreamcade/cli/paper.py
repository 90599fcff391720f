"""`dreamcade bench paper`: the engine of arXiv 2602.00608 at full size, on whatever device there is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dreamcade.cli.options import Device


def paper(
    preset: Annotated[str, typer.Argument(help="paper-racing (720x480) or paper-platformer (256x256).")],
    attention: Annotated[str, typer.Option(help="factorised or full.")] = "factorised",
    decoder: Annotated[str, typer.Option(help="convolutional (as the paper's) or light (our own).")] = "convolutional",
    steps: Annotated[str, typer.Option(help="Denoising steps to measure, by commas.")] = "1,2,4",
    shrink: Annotated[int, typer.Option(min=1, help="About so many times smaller each way, for a small machine.")] = 1,
    weights: Annotated[str, typer.Option(help="Of the dynamics: bf16, int8, fp8 or int4.")] = "bf16",
    cache: Annotated[int, typer.Option(help="Bits of the dynamics' caches: 16, 8 or 4.")] = 16,
    seconds: Annotated[float, typer.Option(min=0.0, help="For each group of figures, about.")] = 10.0,
    unfused: Annotated[bool, typer.Option(help="Also time the same networks in PyTorch's own operations …")] = True,
    compiled: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="… and compiled; neither: only on CUDA.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw them into this PNG.")] = None,
    device: Device = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Of a CPU; none: all cores of this process.")] = None,
    devices: Annotated[str | None, typer.Option(help="Over several: cuda:8, or cpu:3 for as many processes.")] = None,
    plan: Annotated[str | None, typer.Option(help="Of --devices: a split as 5+3, a file of `plan`, or auto.")] = None,
    decoding: Annotated[str | None, typer.Option(help="Of --devices: round-robin or spatial.")] = None,
) -> None:
    """Frames a second of the paper's engine with random weights, where they go, and the machine's own ceilings.

    With --devices, a dynamics group and a decoder group work as processes, beside what the planner predicts.

    Example: dreamcade bench paper paper-racing --shrink 8 --seconds 3
    """
    # Imported here: `dreamcade --help` needs no PyTorch.
    if devices or plan or decoding:
        from dreamcade.cli.paper_devices import paper_on_devices

        paper_on_devices(
            preset, devices or "", plan, decoding, attention=attention, decoder=decoder, steps=_whole_numbers(steps),
            shrink=shrink, weights=weights, cache=cache, seconds=seconds, threads=threads, json=json,
        )  # fmt: skip
        return
    from dreamcade.cli.paper_device import paper_on_device

    paper_on_device(
        preset, device, attention=attention, decoder=decoder, steps=_whole_numbers(steps), shrink=shrink,
        weights=weights, cache=cache, seconds=seconds, unfused=unfused, compiled=compiled, json=json, plot=plot,
        threads=threads,
    )  # fmt: skip


def _whole_numbers(text: str) -> tuple[int, ...]:
    from dreamcade.core.errors import BadInputError

    parts = text.replace(",", " ").split()
    if not parts or not all(part.isdigit() for part in parts):
        raise BadInputError(f"--steps takes whole numbers by commas, as in 1,2,4; got {text!r}")
    return tuple(dict.fromkeys(int(part) for part in parts))
