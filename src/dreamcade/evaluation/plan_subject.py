"""What devices can be planned for under a name: a world, or one of the paper's presets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dreamcade.cluster.calibration import Calibration, Input, read_calibration
from dreamcade.cluster.devices import DeviceGroup
from dreamcade.cluster.plan import Plan
from dreamcade.cluster.rates import times_hold
from dreamcade.cluster.workload import Workload
from dreamcade.cluster.world_workload import world_workload
from dreamcade.core.errors import BadInputError
from dreamcade.dynamics.diffusion_config import FACTORISED
from dreamcade.evaluation.paper.cluster import PAPER_KIND, paper_calibration, paper_notes, published_fps
from dreamcade.evaluation.paper.presets import CONVOLUTIONAL, PAPER_PRESETS, paper_preset
from dreamcade.evaluation.paper.workload import paper_workload
from dreamcade.world.world import World

NO_CALIBRATION = "none"


@dataclass(frozen=True, slots=True)
class PlanSubject:
    """A workload, what is known of devices for it, and what there is to say of its plans."""

    workload: Workload
    calibration: Calibration | None
    notes: Callable[[list[Plan]], list[str]] = lambda plans: []
    published: Sequence[tuple[tuple[int, int], float]] = ()
    """Others' frames a second, by devices in the dynamics and in the decoder."""


def plan_subject(
    name: str, devices: Sequence[DeviceGroup], calibration: str | None = None, *, steps: int | None = None,
    attention: str | None = None, decoder: str | None = None, skip: float | None = None,
) -> PlanSubject:  # fmt: skip
    """A preset by its name, or a world. `calibration`: a file, `none`, or nothing said: for a preset on the paper's
    devices the fit to its figures, as long as it is asked for as the paper plays it. `skip`: share of frames that are
    extrapolated; nothing said: the calibration's, or none.

    Raises `UnknownNameError` or `WorldError` as `World.load`; `BadInputError` for attention or decoder of a world, a
    share that is none, and a calibration that cannot be read, or is of another workload or other devices only.
    """
    if name in PAPER_PRESETS:
        subject = _preset(name, devices, calibration, steps, attention, decoder)
    elif attention is not None or decoder is not None:
        raise BadInputError(
            f"--attention and --decoder are for the presets ({', '.join(PAPER_PRESETS)}); {name!r} is a world"
        )
    else:
        workload = world_workload(World.load(name), steps)
        subject = PlanSubject(workload, _read(calibration, workload, devices))
    return dataclasses.replace(subject, workload=_skipping(subject, skip), calibration=_told(subject.calibration, skip))


def _preset(
    name: str, devices: Sequence[DeviceGroup], calibration: str | None, steps: int | None, attention: str | None,
    decoder: str | None,
) -> PlanSubject:  # fmt: skip
    preset = paper_preset(name)
    workload = paper_workload(preset, attention or FACTORISED, decoder or CONVOLUTIONAL, steps or 1)
    as_played = steps is None and attention is None and decoder is None
    if calibration is None and as_played and any(group.kind.name == PAPER_KIND for group in devices):
        fitted, published = paper_calibration(preset), published_fps(preset)
        return PlanSubject(workload, fitted, lambda plans: paper_notes(preset, workload, plans), published)
    return PlanSubject(workload, _read(calibration, workload, devices))


def _read(calibration: str | None, workload: Workload, devices: Sequence[DeviceGroup]) -> Calibration | None:
    if calibration is None or calibration == NO_CALIBRATION:
        return None
    found = read_calibration(Path(calibration))
    kinds = [group.kind.name for group in devices]
    if found.kinds and not set(kinds) & set(found.kinds):
        raise BadInputError(
            f"{calibration} was measured on {', '.join(found.kinds)}, and says nothing of {', '.join(kinds)}; measure "
            "there, or leave --calibration out"
        )
    if found.workload and not times_hold(found, workload):
        raise BadInputError(
            f"{calibration} was measured with {found.workload}, not with {workload.name}; measure it with: "
            f"dreamcade bench calibrate {workload.name} --json FILE"
        )
    return found


def _skipping(subject: PlanSubject, skip: float | None) -> Workload:
    known = subject.calibration.skip if subject.calibration is not None else None
    if skip is not None and not 0 <= skip < 1:
        raise BadInputError(f"--skip is a share of frames, from 0 to less than 1; got {skip:g}")
    return dataclasses.replace(subject.workload, skip=skip if skip is not None else (known or 0.0))


def _told(calibration: Calibration | None, skip: float | None) -> Calibration | None:
    """With what a caller said of extrapolation in the place of what was known of it."""
    if skip is None or calibration is None:
        return calibration
    inputs = tuple(one for one in calibration.inputs if one.name != "frames extrapolated")
    told = Input("frames extrapolated", f"{skip:.1%}", "given", "--skip")
    return dataclasses.replace(calibration, skip=skip, inputs=(*inputs, told))
