"""How fast a world plays, encoding included."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from dreamcade.cluster.layout import Layout
from dreamcade.cluster.plan import Plan
from dreamcade.core.controls import Controls
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector, FrameTiming, Pixels
from dreamcade.engine.engine import Engine
from dreamcade.engine.runner import EncodedFrame, GameLoop
from dreamcade.engine.spreading import Devices
from dreamcade.evaluation.machine import machine_name, peak_rss_mb
from dreamcade.evaluation.metrics import Progress
from dreamcade.world.world import World

Encode = Callable[[Pixels], bytes]
Arrivals = list[tuple[float, FrameTiming]]
"""When each frame came, in seconds since warm, and its timing."""
TURNS = 4
"""How often two paths take turns."""
_WARM_UP_TICKS = 10
_INPUTS_PER_SECOND = 60.0


def bench_play(
    world: World, seconds: float, unpaced: bool, encode: Encode, *, device: str = "auto",
    sampling_steps: int | None = None, kernels: str = "auto", against: str | None = None,
    progress: Progress | None = None, devices: Devices | None = None, plan: Plan | Layout | str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Plays one session for `seconds` of wall-clock time under a wiggling wheel.

    It is the engine's own game loop that plays, at the world's tick rate or, `unpaced`, as often as it goes. A tick's
    time is what one frame takes from the start of its dynamics to its encoded picture; since one frame is drawn while
    the next is dreamed, frames may come faster than that (`interval_ms`). With other kernels to compare `against`, the
    two play by turns, `seconds` each in all: what else the machine does meets both. Raises `BadInputError` for a time
    that is not positive or an unknown name.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise BadInputError(f"a bench needs a positive number of seconds; got {seconds}")
    progress = progress or (lambda what, done, total: None)
    paths = [kernels] if against is None else [kernels, against]
    engines = [Engine(world, device, sampling_steps, kernels=path, devices=devices, plan=plan) for path in paths]
    turns: list[list[Arrivals]] = [[] for _ in engines]
    rounds = TURNS if against is not None else 1
    with contextlib.ExitStack() as closing:
        for engine in engines:
            closing.enter_context(engine)
        for number in range(rounds):
            for engine, played in zip(engines, turns, strict=True):
                what = f"playing by {engine.path}" + (f", turn {number + 1} of {rounds}" if rounds > 1 else "")
                played.append(_play(engine, seconds / rounds, unpaced, encode, partial(progress, what)))
        names = [engine.path for engine in engines]
    engine = engines[0]
    figures = {
        "world": world.manifest.name, "paced": not unpaced, "frame_size": list(world.frame_size),
        "tick_rate": world.tick_rate, "sampling_steps": engine.sampling_steps, "device": str(engine.device),
        "machine": machine_name(engine.device), **_figures(engine, names[0], turns[0], seconds),
    }  # fmt: skip
    return figures if against is None else {**figures, "against": _figures(engines[1], names[1], turns[1], seconds)}


def _figures(engine: Engine, path: str, turns: Sequence[Arrivals], seconds: float) -> dict[str, Any]:
    frames = sum(map(len, turns))
    return {
        "path": path, "dtype": str(engine.dtype).removeprefix("torch."), "frames": frames, "seconds": seconds,
        "fps": frames / seconds, **_percentiles(turns), "peak_rss_mb": round(peak_rss_mb(), 1),
    }  # fmt: skip


def wiggle(controls: Controls, seconds: float) -> ActionVector:
    """What a restless player holds at a moment: every axis swings, each at its own pace; buttons are tapped."""
    low, high = controls.bounds()
    phases = np.sin(2 * math.pi * seconds * (0.31 + 0.17 * np.arange(controls.size)))
    action = low + (high - low) * (phases + 1) / 2
    action[len(controls.axes) :] = phases[len(controls.axes) :] > 0.5
    return controls.validate(action)


def _play(
    engine: Engine, seconds: float, unpaced: bool, encode: Encode, progress: Callable[[int, int], None]
) -> Arrivals:
    arrived: Arrivals = []
    warm, failures = threading.Event(), list[Exception]()

    def sink(frame: EncodedFrame) -> None:
        arrived.append((time.perf_counter(), frame.timing))
        if len(arrived) > _WARM_UP_TICKS:
            warm.set()

    def failed(error: Exception) -> None:
        failures.append(error)
        warm.set()

    session = engine.open_session()
    loop = GameLoop(engine, encode, paced=not unpaced)
    loop.start()
    try:
        handle = loop.attach(session, sink, failed)
        warm.wait(timeout=60)
        skipped, began = len(arrived), time.perf_counter()
        while (now := time.perf_counter() - began) < seconds and not failures:
            handle.input(wiggle(engine.world.controls, now), round(now * 1000), now * 1000)
            progress(int(now), int(seconds))
            time.sleep(1 / _INPUTS_PER_SECOND)
        handle.detach()
    finally:
        loop.stop()
    if failures:
        raise failures[0]
    session.close()
    return [(moment - began, timing) for moment, timing in arrived[skipped:] if moment - began <= seconds]


def _percentiles(turns: Sequence[Arrivals]) -> dict[str, float]:
    if min(map(len, turns)) < 2:
        raise BadInputError("hardly a frame was made in that time; give the bench more seconds")
    timings = [timing for arrivals in turns for _, timing in arrivals]
    tick = np.array([t.compute_ms for t in timings])
    interval = np.concatenate([np.diff([moment for moment, _ in arrivals]) for arrivals in turns]) * 1000.0
    parts = {name: np.array([getattr(t, name) for t in timings]) for name in ("dynamics_ms", "decode_ms", "encode_ms")}
    return {
        "tick_ms_p50": float(np.percentile(tick, 50)),
        "tick_ms_p99": float(np.percentile(tick, 99)),
        "interval_ms_p50": float(np.percentile(interval, 50)),
        "interval_ms_p99": float(np.percentile(interval, 99)),
        **{f"{name}_p50": float(np.percentile(values, 50)) for name, values in parts.items()},
    }
