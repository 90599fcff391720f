"""What is judged: anything that goes on from recorded play when it is given actions. Mostly a world.

Every axis of an evaluation speaks to a `Candidate`. So the real game can be judged like a dream, which shows what a
perfect world would score, and broken worlds can be made on purpose, which shows that each axis catches what it is for.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol

import numpy as np

from dreamcade.core.types import ActionVector, Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.engine.engine import Engine
from dreamcade.engine.session import Session
from dreamcade.evaluation.windows import Window

Play = Hashable
"""One running play of a candidate."""


class Candidate(Protocol):
    """Plays that begin where a window's context ends.

    `batch` says how many plays are best advanced together. `begin` opens one per window; `advance` takes each a tick
    further under its action float32 `[A]`; `show` is its newest frame, uint8 `[H, W, 3]`; `finish` closes them.
    `through_codec` is what a perfect dream could show of real frames uint8 `[N, H, W, 3]`.
    """

    @property
    def batch(self) -> int: ...

    def begin(self, windows: Sequence[Window], seed: int) -> list[Play]: ...
    def advance(self, plays: Sequence[Play], actions: Sequence[ActionVector]) -> None: ...
    def show(self, plays: Sequence[Play]) -> list[Pixels]: ...
    def finish(self, plays: Sequence[Play]) -> None: ...
    def through_codec(self, frames: Pixels) -> Pixels: ...


class Dream:
    """A world, played by an engine. Frames are drawn only when they are looked at."""

    def __init__(self, engine: Engine, dataset: Dataset) -> None:
        self.engine = engine
        self._dataset = dataset
        self._scratch: Session | None = None

    @property
    def batch(self) -> int:
        """Few on a CPU, whose caches do not hold the activations of many frames."""
        return 4 if self.engine.device.type == "cpu" else 16

    def begin(self, windows: Sequence[Window], seed: int) -> list[Play]:
        sessions = []
        for i, window in enumerate(windows):
            frames, actions = window.context(self._dataset)
            sessions.append(self.engine.open_session(seed=seed + i, frames=frames, actions=actions))
        return list(sessions)

    def advance(self, plays: Sequence[Play], actions: Sequence[ActionVector]) -> None:
        self.engine.dream_many(dict(zip(_sessions(plays), actions, strict=True)))

    def show(self, plays: Sequence[Play]) -> list[Pixels]:
        newest = [self.engine.newest(session) for session in _sessions(plays)]
        return [frame.pixels.copy() for frame in self.engine.draw(newest)]

    def finish(self, plays: Sequence[Play]) -> None:
        for session in _sessions(plays):
            session.close()

    def through_codec(self, frames: Pixels) -> Pixels:
        if self._scratch is None:
            self._scratch = self.engine.open_session(frames=frames[:1])
        idle = np.zeros((1, self.engine.world.controls.size), np.float32)
        return np.stack([self._scratch.prime(frame[None], idle).pixels.copy() for frame in frames])


def _sessions(plays: Sequence[Play]) -> list[Session]:
    assert all(isinstance(play, Session) for play in plays)
    return list(plays)  # type: ignore[arg-type]
