"""How fast a world plays, encoding included."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dreamcade.core.controls import Controls
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector, FrameTiming, Pixels
from dreamcade.engine.engine import Engine
from dreamcade.engine.runner import EncodedFrame, GameLoop
from dreamcade.evaluation.machine import machine_name, peak_rss_mb
from dreamcade.evaluation.metrics import Progress
from dreamcade.world.world import World

Encode = Callable[[Pixels], bytes]
_WARM_UP_TICKS = 10
_INPUTS_PER_SECOND = 60.0


def bench_play(
    world: World, seconds: float, unpaced: bool, encode: Encode, *, device: str = "auto",
    sampling_steps: int | None = None, progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Plays one session for `seconds` of wall-clock time under a wiggling wheel.

    Paced: the engine's own game loop at the world's tick rate. `unpaced`: step and encode one after the other, as
    often as it goes. A tick's time is dynamics + decode + encode. Raises `BadInputError` for a time that is not
    positive.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise BadInputError(f"a bench needs a positive number of seconds; got {seconds}")
    progress = progress or (lambda what, done, total: None)
    engine = Engine(world, device=device, sampling_steps=sampling_steps)
    run = _unpaced if unpaced else _paced
    elapsed, timings = run(engine, seconds, encode, progress)
    width, height = world.frame_size
    return {
        "world": world.manifest.name, "paced": not unpaced, "frames": len(timings), "seconds": round(elapsed, 3),
        "fps": len(timings) / elapsed, "frame_size": [width, height], "tick_rate": world.tick_rate,
        "sampling_steps": engine.sampling_steps, **_percentiles(timings), "peak_rss_mb": round(peak_rss_mb(), 1),
        "device": str(engine.device), "dtype": str(engine.dtype).removeprefix("torch."),
        "machine": machine_name(engine.device),
    }  # fmt: skip


def wiggle(controls: Controls, seconds: float) -> ActionVector:
    """What a restless player holds at a moment: every axis swings, each at its own pace; buttons are tapped."""
    low, high = controls.bounds()
    phases = np.sin(2 * math.pi * seconds * (0.31 + 0.17 * np.arange(controls.size)))
    action = low + (high - low) * (phases + 1) / 2
    action[len(controls.axes) :] = phases[len(controls.axes) :] > 0.5
    return controls.validate(action)


def _unpaced(engine: Engine, seconds: float, encode: Encode, progress: Progress) -> tuple[float, list[FrameTiming]]:
    session = engine.open_session()
    controls, timings = engine.world.controls, []
    for tick in range(_WARM_UP_TICKS):
        encode(session.step(wiggle(controls, tick / engine.world.tick_rate)).pixels)
    began = now = time.perf_counter()
    while now - began < seconds:
        frame = session.step(wiggle(controls, now - began))
        computed = time.perf_counter()
        encode(frame.pixels)
        now = time.perf_counter()
        timing = frame.timing
        timings.append(FrameTiming(timing.dynamics_ms, timing.decode_ms, (now - computed) * 1000))
        if len(timings) % 25 == 0:
            progress("playing, unpaced", min(int(now - began), int(seconds)), int(seconds))
    session.close()
    return now - began, timings


def _paced(engine: Engine, seconds: float, encode: Encode, progress: Progress) -> tuple[float, list[FrameTiming]]:
    arrived: list[tuple[float, FrameTiming]] = []
    warm, failures = threading.Event(), list[Exception]()

    def sink(frame: EncodedFrame) -> None:
        arrived.append((time.perf_counter(), frame.timing))
        if len(arrived) > _WARM_UP_TICKS:
            warm.set()

    def failed(error: Exception) -> None:
        failures.append(error)
        warm.set()

    session = engine.open_session()
    loop = GameLoop(engine, encode)
    loop.start()
    try:
        handle = loop.attach(session, sink, failed)
        warm.wait(timeout=60)
        skipped, began = len(arrived), time.perf_counter()
        while (now := time.perf_counter() - began) < seconds and not failures:
            handle.input(wiggle(engine.world.controls, now), round(now * 1000), now * 1000)
            progress("playing at the world's tick rate", int(now), int(seconds))
            time.sleep(1 / _INPUTS_PER_SECOND)
        handle.detach()
    finally:
        loop.stop()
    if failures:
        raise failures[0]
    kept = [timing for moment, timing in arrived[skipped:] if moment - began <= seconds]
    session.close()
    return seconds, kept


def _percentiles(timings: Sequence[FrameTiming]) -> dict[str, float]:
    if not timings:
        raise BadInputError("no frame was made in that time; give the bench more seconds")
    tick = np.array([t.compute_ms for t in timings])
    parts = {name: np.array([getattr(t, name) for t in timings]) for name in ("dynamics_ms", "decode_ms", "encode_ms")}
    return {
        "tick_ms_p50": float(np.percentile(tick, 50)),
        "tick_ms_p99": float(np.percentile(tick, 99)),
        **{f"{name}_p50": float(np.percentile(values, 50)) for name, values in parts.items()},
    }
