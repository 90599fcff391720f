"""What the planner expects of a layout here, from this device's own times, taken just before the run."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from statistics import mean

import torch

from dreamcade.cluster.calibration import MEASURED, Calibration, Input, KindCalibration
from dreamcade.cluster.devices import KINDS, DeviceGroup, DeviceKind
from dreamcade.cluster.gloo_times import gloo_times
from dreamcade.cluster.layout import Decoding, Layout
from dreamcade.cluster.own_devices import kind_called
from dreamcade.cluster.plan import Plan, read_plan
from dreamcade.cluster.planner import plan, predict
from dreamcade.cluster.workload import Workload
from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.device_times import DRAW, PASS
from dreamcade.evaluation.machine import machine_name
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.paper.spread.engine import random_inputs
from dreamcade.evaluation.paper.spread.parts import DynamicsPart, PicturePart
from dreamcade.evaluation.paper.spread.setting import Setting
from dreamcade.evaluation.paper.timing import medians, repeated, times_by_turns
from dreamcade.evaluation.paper.workload import paper_workload

AUTO = "auto"
_SPLIT = re.compile(r"(\d+)\+(\d+)")


def kind_of(device: torch.device) -> DeviceKind:
    """By the device's own name. Raises `BadInputError` for one of no known kind."""
    if device.type == "cpu":
        return KINDS["cpu-core"]
    called = torch.cuda.get_device_name(device)
    kind = kind_called(called)
    if kind is None:
        raise BadInputError(f"{called!r} is of no known kind, so nothing can be predicted; known: {', '.join(KINDS)}")
    return kind


def workload_of(setting: Setting) -> Workload:
    """As planners count it; in 16 bits."""
    return paper_workload(setting.sizes, setting.attention, setting.decoder, setting.steps)


class OneDevice:
    """A frame's passes and its drawing as the engine runs them, on one device: to be timed before and after a run, so
    that whatever else the machine does meets both. On a CPU also an exchange between two processes."""

    def __init__(self, setting: Setting, device: torch.device) -> None:
        self._setting, self._device = setting, device
        model, decoder = setting.build(device)
        dynamics = DynamicsPart(model, setting.cache, None)
        pictures = PicturePart(decoder, setting.sizes.latent_shape, None)
        actions, noise = random_inputs(setting, 0)
        for frame in range(max(model.config.memory, model.config.recent)):
            latents = dynamics.step(*random_inputs(setting, frame))
        self._runs = {
            PASS: repeated(lambda: dynamics.step(actions, noise)), DRAW: repeated(lambda: pictures.draw(latents))
        }  # fmt: skip
        self._times: list[dict[str, float]] = []
        self._link = gloo_times() if device.type == "cpu" else None

    def time(self, seconds: float, progress: Progress) -> None:
        """For about so long."""
        found = times_by_turns(self._runs, self._device, seconds, "stages on one device", progress)
        self._times.append(medians(found))

    def calibration(self) -> Calibration:
        """The mean of what was timed."""
        times = {stage: mean(one[stage] for one in self._times) for stage in self._runs}
        inputs = [
            Input(stage, _text(ms, [one[stage] for one in self._times]), MEASURED, "one device")
            for stage, ms in times.items()
        ]
        link = self._link
        found = KindCalibration(
            batches=(1,), dit_ms=(times[PASS],), decoder_ms=(times[DRAW],), steps=self._setting.steps,
            link_latency=None if link is None else link[0], link=None if link is None else link[1],
        )  # fmt: skip
        if link is not None:
            value = f"{1e6 * link[0]:.0f} µs, {link[1] / 1e9:.2f} GB/s"
            inputs.append(Input("exchange", value, MEASURED, "two processes, gloo"))
        name, kind = workload_of(self._setting).name, kind_of(self._device).name
        return Calibration(name, f"measured on {machine_name(self._device)}", {kind: found}, None, tuple(inputs))


def _text(ms: float, each: list[float]) -> str:
    return f"{ms:.3g} ms" + (f" (before {each[0]:.3g}, after {each[-1]:.3g})" if len(each) > 1 else "")


def given_layout(asked: str | None, decoding: str | None) -> Layout | None:
    """What a caller asks for: `5+3`, or a file of `dreamcade plan`; None where the planner is to choose (`auto`).

    Raises `BadInputError` for another decoding, and as `read_plan`.
    """
    if decoding is not None and decoding not in [known.value for known in Decoding]:
        raise BadInputError(f"decoding must be round-robin or spatial; got {decoding!r}")
    if asked is None or asked == AUTO:
        return None
    split = _SPLIT.fullmatch(asked)
    if split is not None:
        return Layout(int(split[1]), int(split[2]), decoding or Decoding.ROUND_ROBIN.value)
    if not Path(asked).exists():
        raise BadInputError(f"a plan is auto, a split such as 5+3, or a file of `dreamcade plan --json`; got {asked!r}")
    layout = dataclasses.replace(read_plan(asked).layout, replicas=1)
    return layout if decoding is None else dataclasses.replace(layout, decoding=decoding)


def expected(
    setting: Setting, layout: Layout | None, count: int, device: torch.device, decoding: str | None,
    calibration: Calibration,
) -> Plan:  # fmt: skip
    """The prediction for `layout` on `count` devices like this one; for the best one, where none is given."""
    workload, there = workload_of(setting), (DeviceGroup(kind_of(device), count),)
    if layout is None:
        return plan(workload, there, calibration, decoding=decoding)[0]
    return predict(workload, layout, there, calibration)
