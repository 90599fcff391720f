"""`dreamcade bench calibrate`: what this device takes for the stages of a frame, for `dreamcade plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dreamcade.cli.options import Device, Steps
from dreamcade.cli.stage_bars import stage_bars


def calibrate(
    name: Annotated[str, typer.Argument(metavar="WORLD|PRESET", help="A shipped world, a folder or a preset.")],
    json: Annotated[Path | None, typer.Option(help="Write the calibration here; plan --calibration reads it.")] = None,
    kind: Annotated[str | None, typer.Option(help="Which kind of device this is; none: by its name.")] = None,
    device_kinds: Annotated[Path | None, typer.Option(help="Your own kinds of devices, as JSON.")] = None,
    seconds: Annotated[float, typer.Option(min=0.0, help="For all stages together, about.")] = 10.0,
    shrink: Annotated[int, typer.Option(min=1, help="Make a preset about so many times smaller each way.")] = 1,
    device: Device = "auto",
    steps: Steps = None,
) -> None:
    """Time the stages of a frame on this device, so that plans need not assume it. (What `dreamcade calibrate` does is
    another thing: it teaches a world which frames it may extrapolate.)

    Example: dreamcade bench calibrate racing --json calibration.json
    """
    # Imported here: `dreamcade --help` needs no PyTorch.
    from dreamcade.cluster.devices import KINDS, read_kinds
    from dreamcade.core.files import expect_writable, write_json
    from dreamcade.evaluation.device_times import calibrate_device
    from dreamcade.server.encoding import encode_jpeg

    if json:
        expect_writable(json)
    kinds = KINDS if device_kinds is None else read_kinds(device_kinds)
    with stage_bars() as progress:
        found = calibrate_device(
            name, encode_jpeg, device=device, kind=kind, steps=steps, shrink=shrink, seconds=seconds, kinds=kinds,
            progress=progress,
        )  # fmt: skip
    if json:
        write_json(json, found.to_json())
    for one in found.inputs:
        typer.echo(f"{one.name}: {one.value} ({one.how})")
    typer.echo(found.source)
