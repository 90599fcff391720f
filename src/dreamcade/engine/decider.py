"""What a tick does, in plain Python: deliver a draft, extrapolate, compute, or leave the last frame on the screen.

Nothing here reads a clock or touches a tensor: whoever asks says how things stand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

EARLY = 0.5
"""Of a period: how long before its deadline a tick may be taken for an input that nobody has used yet."""


class Decision(Enum):
    """What to do with a session now."""

    DELIVER = "deliver"
    """The frame for this very action was drafted: show it."""
    EXTRAPOLATE = "extrapolate"
    """Motion is smooth and the action stays: let it go on, without a pass."""
    COMPUTE = "compute"
    REPEAT = "repeat"
    """Nothing is due: the last frame stays."""


@dataclass(frozen=True, slots=True)
class Limits:
    """A world's calibration: within these, an extrapolated frame costs no more than was allowed when it was made.

    `action_distance` (τ) is the largest distance of the action to the one before, `curvature` the largest relative
    curvature of the latents, `most_skips` the longest run of extrapolated frames.
    """

    action_distance: float
    curvature: float
    most_skips: int

    def allow(self, action_distance: float, curvature: float, skips: int) -> bool:
        """Whether the next frame may be extrapolated after `skips` in a row. What is not a number is not smooth."""
        near, smooth = action_distance <= self.action_distance, curvature <= self.curvature
        return near and smooth and skips < self.most_skips


@dataclass(frozen=True, slots=True)
class Situation:
    """How a session stands at `now` (seconds, on the clock of `deadline`).

    `fresh`: an input has come that no tick has used; `early`: such an input may take its tick before the deadline;
    `drafted`: the frame for the action in force is there; `calm`: it may be extrapolated.
    """

    now: float
    deadline: float
    period: float
    fresh: bool = False
    early: bool = False
    drafted: bool = False
    calm: bool = False


def due_at(deadline: float, period: float, fresh: bool, early: bool) -> float:
    """The moment from which a tick may be taken."""
    return deadline - EARLY * period if fresh and early else deadline


def decide(situation: Situation) -> Decision:
    """The one rule. A draft comes first, since it is the very frame that would be made."""
    if not situation.now >= due_at(situation.deadline, situation.period, situation.fresh, situation.early):
        return Decision.REPEAT
    if situation.drafted:
        return Decision.DELIVER
    return Decision.EXTRAPOLATE if situation.calm else Decision.COMPUTE


@dataclass(slots=True)
class Foreknowledge:
    """How often a session's drafts were right, and whether they are worth their time.

    It stands aside after too few hits and looks again `RETRY` ticks later.
    """

    hit_rate: float = 1.0
    aside: int = 0

    MEMORY = 0.97
    ENOUGH = 0.25
    RETRY = 250

    def tick(self, hit: bool | None) -> None:
        """A tick passed: its drafts held the action that came, or not, or there were none (None)."""
        if hit is not None:
            self.hit_rate = self.MEMORY * self.hit_rate + (1 - self.MEMORY) * hit
            if self.hit_rate < self.ENOUGH:
                self.aside = self.RETRY
        elif self.aside:
            self.aside -= 1
            if not self.aside:
                self.hit_rate = 2 * self.ENOUGH  # some twenty misses from standing aside again

    @property
    def worthwhile(self) -> bool:
        return self.aside == 0


class Idle:
    """How much can be drafted in the time that ticks leave, learnt from how long passes and drawings take."""

    BROADEST = 4
    SHARE = 0.85
    """Of a period: what a pass over drafts may take."""
    DRAWN = 0.5
    """Of a period: what drawing them may take. More, and it is in the way of the frame that nobody foresaw."""
    MEMORY = 0.8
    SLOPE = 0.35
    """What one more frame adds to a pass, of a single one's time, until it was measured."""

    FORGOTTEN = 100
    """Passes of other sizes after which one is forgotten."""

    def __init__(self, period: float) -> None:
        self.period = period
        self._warm: set[int] = set()
        self._passes: dict[int, float] = {}
        self._unseen: dict[int, int] = {}
        self._drawing: float | None = None

    def passed(self, batch: int, seconds: float) -> None:
        """A pass over `batch` frames took `seconds`. The first of its size only warms up; one that was not tried for
        long is forgotten, since the machine may have been busy then."""
        if batch not in self._warm:
            self._warm.add(batch)
            return
        self._passes[batch] = self._mean(self._passes.get(batch), seconds)
        self._unseen = {known: self._unseen.get(known, 0) + 1 for known in self._passes}
        self._unseen[batch] = 0
        for known in [size for size, passes in self._unseen.items() if passes > self.FORGOTTEN]:
            del self._passes[known], self._unseen[known]

    def drew(self, frames: int, seconds: float) -> None:
        """Decoding and encoding `frames` took `seconds`."""
        self._drawing = self._mean(self._drawing, seconds / frames)

    def pass_time(self, batch: int) -> float:
        """Expected seconds of a pass; 0 while none was measured."""
        if batch in self._passes:
            return self._passes[batch]
        if not self._passes:
            return 0.0
        nearest = min(self._passes, key=lambda known: abs(known - batch))
        return self._passes[nearest] * (1 + self.SLOPE * (batch - 1)) / (1 + self.SLOPE * (nearest - 1))

    def breadth(self, sessions: int) -> int:
        """Drafts for each of `sessions`; 0: there is no idle time, stand aside."""
        fitting = (k for k in range(self.BROADEST, 0, -1) if self.pass_time(k * sessions) <= self.SHARE * self.period)
        return next(fitting, 0)

    def drawings(self) -> int:
        """How many drafts can be drawn in a period."""
        if not self._drawing:
            return self.BROADEST
        return math.floor(self.DRAWN * self.period / self._drawing)

    def busy(self, sessions: int) -> float:
        """The share of a period that the slower stage works for ticks of `sessions`; 0 while nothing was measured."""
        if not sessions:
            return 0.0
        return max(self.pass_time(sessions), sessions * (self._drawing or 0.0)) / self.period

    def capacity(self, share: float, most: int) -> int:
        """The most sessions, up to `most`, whose ticks keep the slower stage busy for at most `share` of a period; one
        is played however slowly."""
        return next((count for count in range(most, 1, -1) if self.busy(count) <= share), 1)

    def _mean(self, old: float | None, new: float) -> float:
        return new if old is None else self.MEMORY * old + (1 - self.MEMORY) * new
