"""What pipelining, extrapolation and speculation each bring: the same recorded inputs, played in every mode.

The central experiment of arXiv 2602.00608, on whatever machine it is run. Speed is measured by the engine's own game
loop in real time; what a mode costs the picture is measured without a clock, beside full inference and the real game.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector, FrameKind, Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.engine.engine import Engine
from dreamcade.engine.modes import Modes
from dreamcade.engine.runner import EncodedFrame, GameLoop, Handle
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.windows import CONTEXT, Window

Encode = Callable[[Pixels], bytes]
OFF = Modes(pipeline=False, speculation=False, extrapolation=False)
RUNGS = {
    "baseline": OFF,
    "+ pipeline": dataclasses.replace(OFF, pipeline=True),
    "+ extrapolation": dataclasses.replace(OFF, pipeline=True, extrapolation=True),
    "+ speculation": dataclasses.replace(OFF, pipeline=True, speculation=True),
    "all": Modes(pipeline=True, speculation=True, extrapolation=True),
}
"""Each beside what the one before it had switched on, but for extrapolation, which the last one brings back."""
WARM_UP_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class RecordedPlay:
    """Held-out play: where it begins, and the inputs after that, as (seconds, action) at each change."""

    window: Window
    inputs: tuple[tuple[float, ActionVector], ...]
    seconds: float


def recorded_play(engine: Engine, dataset: Dataset, seconds: float, seed: int = 0) -> RecordedPlay:
    """The longest held-out episode's inputs (from the next ones too where it is too short).

    A recording has one action a tick; the key goes down somewhere within the tick, drawn from `seed`.
    """
    rate, rng = engine.world.tick_rate, np.random.default_rng(seed)
    episodes = sorted(dataset.episodes("heldout"), key=lambda episode: -episode.length)
    if not episodes or episodes[0].length <= CONTEXT:
        raise BadInputError("the dataset has no held-out episode that is long enough; record more or longer ones")
    actions = np.concatenate([
        dataset.actions(episode, CONTEXT if i == 0 else 0, episode.length) for i, episode in enumerate(episodes)
    ])[: int(seconds * rate)]  # fmt: skip
    inputs, last = [], None
    for tick, action in enumerate(engine.snap(actions)):
        if last is None or not np.array_equal(action, last):
            inputs.append((float(tick + rng.uniform()) / rate, action))
            last = action
    return RecordedPlay(Window(episodes[0], 0), tuple(inputs), len(actions) / rate)


@dataclass(slots=True)
class Seen:
    """What a player got: (seconds, frame without its picture), and when each input was given, by its number."""

    frames: list[tuple[float, EncodedFrame]] = dataclasses.field(default_factory=list)
    given: dict[int, float] = dataclasses.field(default_factory=dict)

    def latencies(self) -> list[float]:
        """Milliseconds from each input to the first encoded frame that used it or a newer one."""
        waiting, found = sorted(self.given.items()), []
        for moment, frame in self.frames:
            while waiting and waiting[0][0] <= frame.sequence:
                found.append((moment - waiting.pop(0)[1]) * 1000.0)
        return found


def climb(
    engine: Engine, dataset: Dataset, encode: Encode, seconds: float, *, seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Plays the same inputs on every rung, for `seconds` in real time and for half of them as fast as it goes; figures
    by rung. Raises `BadInputError` where there is nothing to play."""
    progress = progress or (lambda what, done, total: None)
    play = recorded_play(engine, dataset, seconds, seed)
    figures = {}
    for at, (name, modes) in enumerate(RUNGS.items()):
        seen = play_inputs(engine, dataset, play, encode, modes, seed=seed)
        fast = play_inputs(engine, dataset, play, encode, modes, paced=False, limit=seconds / 2, seed=seed)
        figures[name] = {"modes": dataclasses.asdict(modes), **_figures(seen), "fps_unpaced": _rate(fast)}
        progress("playing on every rung", at + 1, len(RUNGS))
    return figures


def play_inputs(
    engine: Engine, dataset: Dataset, play: RecordedPlay, encode: Encode, modes: Modes, *, paced: bool = True,
    limit: float | None = None, seed: int = 0,
) -> Seen:  # fmt: skip
    """Plays `play` in a game loop in real time; its inputs come when they came to the game."""
    seen, failures, warm = Seen(), list[Exception](), threading.Event()
    session = engine.open_session(seed=seed)
    session.prime(*play.window.context(dataset))
    begun = 0.0

    def sink(frame: EncodedFrame) -> None:
        now = time.perf_counter()
        if begun and now >= begun:
            seen.frames.append((now, dataclasses.replace(frame, data=b"")))
        warm.set()

    loop = GameLoop(engine, encode, paced=paced, pipeline=modes.pipeline)
    loop.start()
    try:
        handle = loop.attach(session, sink, failures.append, modes=modes)
        warm.wait(60)
        time.sleep(WARM_UP_SECONDS)
        begun = time.perf_counter()
        _feed(handle, play, seen, begun, min(play.seconds, limit or play.seconds), failures)
        handle.detach()
    finally:
        loop.stop()
        session.close()
    if failures:
        raise failures[0]
    return seen


def _feed(
    handle: Handle, play: RecordedPlay, seen: Seen, begun: float, seconds: float, failures: Sequence[Exception]
) -> None:
    for number, (moment, action) in enumerate(play.inputs, start=1):
        if moment > seconds or failures:
            break
        _sleep_until(begun + moment)
        seen.given[number] = time.perf_counter()
        handle.input(action, number, moment * 1000.0)
    _sleep_until(begun + seconds)


def _sleep_until(moment: float) -> None:
    if (wait := moment - time.perf_counter()) > 0:
        time.sleep(wait)


def _rate(seen: Seen) -> float:
    if len(seen.frames) < 2:
        raise BadInputError("hardly a frame was made in that time; give the bench more seconds")
    return (len(seen.frames) - 1) / (seen.frames[-1][0] - seen.frames[0][0])


def _figures(seen: Seen) -> dict[str, Any]:
    ticks = [frame.timing for _, frame in seen.frames if frame.timing.kind is not FrameKind.IN_BETWEEN]
    latencies, ready = seen.latencies(), [timing.ready_ms for timing in ticks]
    drafted = [timing for timing in ticks if timing.drafted]
    tally = seen.frames[-1][1].tally if seen.frames else None
    if tally is None or not latencies:
        raise BadInputError("no input was answered in that time; give the bench more seconds")
    guessed = tally.drafted + tally.missed
    return {
        "fps": _rate(seen),
        "input_ms_p50": float(np.percentile(latencies, 50)),
        "input_ms_p95": float(np.percentile(latencies, 95)),
        "inputs": len(latencies),
        "effective_ms": float(np.mean(ready)),
        "hit_ready_ms_p50": float(np.percentile([t.ready_ms for t in drafted], 50)) if drafted else None,
        "hit_ready_ms_p95": float(np.percentile([t.ready_ms for t in drafted], 95)) if drafted else None,
        "shares": {
            "delivered": len(drafted) / len(ticks),
            "extrapolated": sum(t.kind is FrameKind.EXTRAPOLATED and not t.drafted for t in ticks) / len(ticks),
            "computed": sum(t.kind is FrameKind.COMPUTED and not t.drafted for t in ticks) / len(ticks),
        },
        "passes_skipped": sum(t.kind is FrameKind.EXTRAPOLATED for t in ticks) / len(ticks),
        "hit_rate": tally.drafted / guessed if guessed else None,
        "wasted_drafts_per_tick": tally.wasted / max(1, tally.computed + tally.extrapolated),
    }
