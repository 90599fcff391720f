"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")]
Steps = Annotated[int | None, typer.Option(min=1, max=64, help="Denoising steps; none: the world's own.")]
KernelPath = Annotated[
    str, typer.Option("--kernels", help="auto (the quickest here), openvino, or reference (plain PyTorch).")
]


def play_options(device: str, steps: int | None, kernels: str) -> list[str]:
    """The same for a `dreamcade play` in a process of its own."""
    return ["--device", device, "--kernels", kernels, *(["--steps", str(steps)] if steps else [])]
