"""Options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dreamcade.core.errors import BadInputError

if TYPE_CHECKING:
    from dreamcade.cluster.layout import Layout

Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")]
Steps = Annotated[int | None, typer.Option(min=1, max=64, help="Denoising steps; none: the world's own.")]
KernelPath = Annotated[
    str, typer.Option("--kernels", help="auto (the quickest here), openvino, or reference (plain PyTorch).")
]

Devices = Annotated[
    str | None,
    typer.Option(help="In place of --device: spread the world over several, cpu:3 (so many processes) or cuda:2."),
]
PlanOption = Annotated[
    str | None,
    typer.Option("--plan", help="What each of them does: auto, or a file of dreamcade plan --json."),
]


def spread_options(device: str, devices: str | None, plan: str | None) -> tuple[str | None, Layout | str | None]:
    """--devices and --plan as `Engine` takes them; a plan without devices is for as many as it needs.

    Raises `BadInputError` for a plan that cannot be read, devices that are not here, or too few of them.
    """
    from dreamcade.cluster.plan import read_plan
    from dreamcade.engine.spreading import AUTO, choose_layout, name_devices

    if devices is not None and device != "auto":
        raise BadInputError(f"give --device or --devices, not both; got {device!r} and {devices!r}")
    layout = None if plan in (None, AUTO) else read_plan(str(plan)).layout
    if plan == AUTO and devices is None:
        raise BadInputError("--plan auto needs devices to split: --devices cpu:3, or cuda:2")
    if layout is not None and devices is None and layout.pipeline_devices > 1:
        from dreamcade.core.device import resolve_device

        devices = f"{resolve_device(device).type}:{layout.pipeline_devices}"
    if devices is not None:
        choose_layout(len(name_devices(devices)), layout)
    return devices, AUTO if plan == AUTO else layout


def play_options(device: str, steps: int | None, kernels: str) -> list[str]:
    """The same for a `dreamcade play` in a process of its own."""
    return ["--device", device, "--kernels", kernels, *(["--steps", str(steps)] if steps else [])]
