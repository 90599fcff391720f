"""How fast the paper's engine is on several devices, beside what the planner expects of them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import torch

from dreamcade.cluster.layout import Decoding, Layout
from dreamcade.cluster.plan import Plan
from dreamcade.core.device import cpu_threads, keep_freed_memory, resolve_device
from dreamcade.evaluation.machine import machine_name
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.paper.spread.engine import SpreadEngine, expect_fit, random_inputs
from dreamcade.evaluation.paper.spread.forecast import OneDevice, expected, given_layout
from dreamcade.evaluation.paper.spread.pictures import Made
from dreamcade.evaluation.paper.spread.setting import Setting, expect_alike

LEAST_FRAMES = 12
MOST_WARM_UP = 64


@dataclass(frozen=True, slots=True)
class SpreadPlan:
    """What to measure: `devices` by name, the head's first; `layout` and `decoding` as `given_layout` reads them.

    Raises `BadInputError`, before anything is measured, for a layout that does not fit.
    """

    setting: Setting
    devices: tuple[str, ...]
    steps: tuple[int, ...] = (1,)
    layout: str | None = None
    decoding: str | None = None
    seconds: float = 10.0

    def __post_init__(self) -> None:
        expect_alike(self.devices)
        layout = given_layout(self.layout, self.decoding)
        if layout is not None:
            expect_fit(self.setting, layout, self.devices)


def bench_spread(plan: SpreadPlan, progress: Progress = lambda what, done, total: None) -> dict[str, Any]:
    """All figures as JSON values."""
    device = resolve_device(plan.devices[0])
    if device.type == "cpu":
        torch.set_num_threads(plan.setting.threads)
        keep_freed_memory()
    runs = {}
    for steps in plan.steps:
        runs[str(steps)] = _run(plan, dataclasses.replace(plan.setting, steps=steps), device, progress)
    preset = plan.setting.sizes
    return {
        **plan.setting.to_json(), "steps": list(plan.steps), "frame_size": [preset.frame_width, preset.frame_height],
        "devices": list(plan.devices), "cores": cpu_threads(), "machine": machine_name(device),
        "seconds": plan.seconds, "runs": runs,
    }  # fmt: skip


def _run(plan: SpreadPlan, setting: Setting, device: torch.device, progress: Progress) -> dict[str, Any]:
    """The layout is chosen by what was timed before the run; the prediction is by what was timed before and after."""
    alone, asked = OneDevice(setting, device), given_layout(plan.layout, plan.decoding)
    alone.time(plan.seconds / 2, progress)
    count = len(plan.devices)
    chosen = expected(setting, asked, count, device, plan.decoding, alone.calibration()).layout
    layout = dataclasses.replace(chosen, replicas=1)
    progress("start the processes", 0, 1)
    with SpreadEngine(setting, layout, plan.devices[: layout.pipeline_devices]) as engine:
        progress("start the processes", 1, 1)
        made = _play(engine, plan.seconds, progress)
        skipped = engine.skipped
    alone.time(plan.seconds / 2, progress)
    calibration, found = alone.calibration(), figures(made, layout)
    prediction = expected(setting, layout, count, device, plan.decoding, calibration)
    return {
        "layout": layout.to_json(), "split": layout.split, **found, "skipped": skipped,
        "predicted": prediction.to_json(), "ratio": found["fps"] / prediction.fps,
        "shared_cores_fps": _shared_cores_fps(prediction, device), "calibration": calibration.to_json(),
    }  # fmt: skip


def _play(engine: SpreadEngine, seconds: float, progress: Progress) -> list[Made]:
    """Frames for about so long, at full memory."""
    config = engine.setting.sizes.dynamics(engine.setting.attention)
    list(engine.play(random_inputs(engine.setting, frame) for frame in range(min(MOST_WARM_UP, config.memory + 4))))
    ahead = [random_inputs(engine.setting, frame) for frame in range(LEAST_FRAMES)]
    made: list[Made] = []
    began, frame = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds or frame < LEAST_FRAMES:
        progress("play", min(int(spent), int(seconds)), max(1, int(seconds)))
        engine.submit(*ahead[frame % len(ahead)])
        made += engine.take()
        frame += 1
    progress("play", max(1, int(seconds)), max(1, int(seconds)))
    return [*made, *engine.drain()]


def figures(made: Sequence[Made], layout: Layout) -> dict[str, float]:
    """Of frames that followed each other as fast as they could. `bound_fps`: what the slowest stage alone would reach
    in the time that it took meanwhile; `of_bound`: the share of that which was reached."""
    dit, draw = median(one.dit_ms for one in made), median(one.draw_ms for one in made)
    artists = 1 if layout.decoding == Decoding.SPATIAL else layout.decoder_devices
    fps = (len(made) - 1) / (made[-1].at - made[0].at)
    bound = 1e3 / (dit + draw if layout.shared and not torch.cuda.is_available() else max(dit, draw / artists))
    latency = [one.latency_ms for one in made]
    waits = median(one.latency_ms - one.dit_ms - one.draw_ms for one in made)
    return {
        "frames": len(made), "fps": fps, "dit_ms": dit, "draw_ms": draw, "wait_ms": waits,
        "latency_ms": median(latency), "latency_p95_ms": quantiles(latency, n=20)[-1],
        "bound_fps": bound, "of_bound": fps / bound,
    }  # fmt: skip


def _shared_cores_fps(prediction: Plan, device: torch.device) -> float | None:
    """Where a CPU has fewer cores than the layout has processes: what they reach if they always compute."""
    layout, cores = prediction.layout, cpu_threads()
    if device.type != "cpu" or layout.pipeline_devices <= cores:
        return None
    strips = layout.decoder_devices if layout.decoding == Decoding.SPATIAL else 1
    return 1e3 * cores / (layout.dit_devices * prediction.dit_ms + strips * prediction.decoder_ms)
