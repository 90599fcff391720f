"""How near a pipeline comes to its slowest stage: the real loop, workers and wires around stages of known time."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dreamcade.cluster.hosts import Errand, LocalHosts
from dreamcade.cluster.layout import Layout
from dreamcade.core.device import cpu_threads
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import Pixels
from dreamcade.engine.engine import Engine
from dreamcade.engine.executors.spread import Setting, SpreadExecutor
from dreamcade.engine.runner import EncodedFrame, GameLoop
from dreamcade.evaluation.bench import bench_play
from dreamcade.evaluation.machine import machine_name
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.stand_in import StandIn, Work
from dreamcade.world.world import World

_WARM_UP = 20
_FREE_SHARE = 0.7
"""Of the cores' time, what all stand-ins together take: the rest is the loop's, the wires' and the system's."""
HAND_OVER_MS = 0.4
"""Of a 720×480 frame: its latent to the decoder and its pixels back, between two processes of this machine (measured:
see docs/scaling.md); it scales with the frame's bytes."""
LOOP_MS = 1.5
"""What a tick takes in the loop's thread beside its pass: context, noise, writing down what was taken (measured,
likewise)."""
_HAND_OVER_BYTES = 720 * 480 * 3


@dataclass(frozen=True, slots=True)
class Stages:
    """Milliseconds of a pass and of a picture, and the share of them that a core computes."""

    pass_ms: float
    picture_ms: float
    duty: float


@dataclass(frozen=True, slots=True)
class StandInSetting(Setting):
    """Workers that only stand in for decoders."""

    stages: Stages = dataclasses.field(default_factory=lambda: Stages(0.0, 0.0, 0.0))
    frame_size: tuple[int, int] = (1, 1)

    def errand(self, place: int, connect: Mapping[str, Any]) -> Errand:
        width, height = self.frame_size
        arguments = {
            **connect, "milliseconds": self.stages.picture_ms, "duty": self.stages.duty, "width": width,
            "height": height,
        }  # fmt: skip
        environment = {"OMP_NUM_THREADS": "1"}
        return Errand(str(connect["name"]), "dreamcade.evaluation.stand_in:run", arguments, environment=environment)


def parse_splits(text: str) -> list[int]:
    """`1+1,1+2` → decoders of each. Raises `BadInputError`: the head's passes are one device's here."""
    splits = []
    for split in text.split(","):
        dit, plus, decoders = split.strip().partition("+")
        if dit != "1" or not plus or not decoders.isdigit() or not 1 <= int(decoders) <= 16:
            raise BadInputError(f"layouts are 1+N by commas, N from 1 to 16, such as 1+1,1+2; got {split.strip()!r}")
        splits.append(int(decoders))
    return splits


def bench_pipeline(
    world: World, splits: Sequence[int], pass_ms: float, picture_ms: float, seconds: float,
    duty: float | None = None, real: bool = False, progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Frames a second of each split, beside the bound of its slowest stage and what the formula predicts; with `real`,
    also the world itself in one process and in two. The world lends stand-ins its shapes."""
    if not (pass_ms > 0 and picture_ms > 0 and seconds > 0) or (duty is not None and not 0 <= duty <= 1):
        raise BadInputError(
            f"stages and seconds must be positive and duty from 0 to 1; got {pass_ms:g} and {picture_ms:g} ms, "
            f"{seconds:g} s, {duty}"
        )
    progress = progress or (lambda what, done, total: None)
    rows = []
    for number, decoders in enumerate(splits):
        progress("playing stand-ins", number, len(splits))
        share = duty if duty is not None else _duty(decoders, pass_ms, picture_ms)
        rows.append(_row(world, decoders, Stages(pass_ms, picture_ms, share), seconds))
    figures = {
        "world": world.manifest.name, "frame_size": list(world.frame_size), "seconds": seconds,
        "load_before": os.getloadavg()[0], "splits": rows, "machine": machine_name(Engine(world).device),
    }  # fmt: skip
    return {**figures, "real": _real(world, seconds)} if real else figures


def hand_over_ms(frame_size: tuple[int, int]) -> float:
    """Expected, for a frame of so many pixels."""
    return HAND_OVER_MS * frame_size[0] * frame_size[1] * 3 / _HAND_OVER_BYTES


def predicted_fps(stages: Stages, decoders: int, frame_size: tuple[int, int]) -> float:
    """The slowest stage's: a pass and what the loop does for it, or a picture with its hand-over, of which `decoders`
    make as many at once."""
    return 1000.0 / max(stages.pass_ms + LOOP_MS, (stages.picture_ms + hand_over_ms(frame_size)) / decoders)


def _duty(decoders: int, pass_ms: float, picture_ms: float) -> float:
    """So that all stages together leave the cores some time."""
    interval = max(pass_ms, picture_ms / decoders)
    wanted = (pass_ms + picture_ms) / interval
    return round(min(1.0, _FREE_SHARE * cpu_threads() / wanted), 2)


def _row(world: World, decoders: int, stages: Stages, seconds: float) -> dict[str, Any]:
    shown, times = _play(world, decoders, stages, seconds)
    bound = 1000.0 / max(stages.pass_ms, stages.picture_ms / decoders)
    predicted = predicted_fps(stages, decoders, world.frame_size)
    fps = (len(times) - 1) / (times[-1] - times[0])
    ready = [frame.timing.ready_ms for frame in shown]
    return {
        "split": f"1+{decoders}", **dataclasses.asdict(stages), "fps": fps, "bound_fps": bound,
        "share_of_bound": fps / bound, "predicted_fps": predicted, "off": predicted / fps - 1,
        "latency_ms_p50": float(np.percentile(ready, 50)), "latency_ms_p95": float(np.percentile(ready, 95)),
    }  # fmt: skip


def _play(world: World, decoders: int, stages: Stages, seconds: float) -> tuple[list[EncodedFrame], list[float]]:
    engine = Engine(world, kernels="reference")
    nothing = Work(stages.picture_ms, stages.duty)
    own = StandIn(Work(stages.pass_ms, stages.duty), nothing, world.frame_size)
    setting = StandInSetting(
        "", "", ("cpu",) * decoders, "float32", "reference", 1, 1, False, stages=stages, frame_size=world.frame_size
    )
    spread = SpreadExecutor(own, Layout(1, decoders), setting, LocalHosts(), engine.notices.tell)
    engine.passes.executor = spread
    shown, times, warm = list[EncodedFrame](), list[float](), threading.Event()

    def sink(frame: EncodedFrame) -> None:
        shown.append(frame)
        times.append(time.perf_counter())
        if len(shown) >= _WARM_UP:
            warm.set()

    loop = GameLoop(engine, _unencoded, paced=False)
    loop.start()
    try:
        loop.attach(engine.open_session(), sink)
        if not warm.wait(60):
            raise BadInputError("hardly a frame was made in a minute; give the stages fewer milliseconds")
        first = len(shown)
        time.sleep(seconds)
        last = len(shown)
    finally:
        loop.stop()
        spread.close()
    ticks = [frame.tick for frame in shown]
    assert ticks == list(range(len(ticks))), "in order, and none left out"
    return shown[first:last], times[first:last]


def _unencoded(pixels: Pixels) -> bytes:
    return b""


def _real(world: World, seconds: float) -> dict[str, Any]:
    """The world itself, in one process and with a decoder in another."""
    names: dict[str, Callable[[], dict[str, Any]]] = {
        "one process": lambda: bench_play(world, seconds, True, _unencoded),
        "1+1": lambda: bench_play(world, seconds, True, _unencoded, devices="cpu:2"),
    }
    keys = ("fps", "interval_ms_p50", "tick_ms_p50", "dynamics_ms_p50", "decode_ms_p50", "path")
    return {name: {key: figures[key] for key in keys} for name, figures in ((n, run()) for n, run in names.items())}
