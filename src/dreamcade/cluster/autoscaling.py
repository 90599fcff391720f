"""How many replicas there should be. Plain Python: whoever asks says what time it is and how the replicas stand.

More of them at once, when newcomers would find no room; fewer only after a calm time, and never so few that the next
newcomer asks for one again. What is given up is drained: it takes no new session and ends when it is empty.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from dreamcade.cluster.placement import BUSIEST, Load
from dreamcade.core.errors import BadInputError

HEADROOM = 0.2
"""Of the players there are: places kept for newcomers, at least one. A replica takes seconds to start."""
SLACK = 0.8
"""What fewer replicas would play must fill at most this share of them, so that a few newcomers do not turn it back."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What is to be done: `start` so many, `revive` these that were draining, `drain` these, `end` these (empty)."""

    start: int = 0
    revive: tuple[str, ...] = ()
    drain: tuple[str, ...] = ()
    end: tuple[str, ...] = ()


class Autoscaler:
    """Between `least` and `most` replicas; fewer after `calm` seconds in which fewer would have done throughout.

    `expected` is a replica's capacity as long as none has told its own. Raises `BadInputError` for bounds that cannot
    be.
    """

    def __init__(self, least: int, most: int, calm: float = 60.0, expected: int = 1) -> None:
        if not 1 <= least <= most:
            raise BadInputError(f"replicas range from at least 1 to at most as many or more; got {least} to {most}")
        if not (calm >= 0 and expected >= 1):
            raise BadInputError(f"calm must be at least 0 seconds and expected at least 1; got {calm:g} and {expected}")
        self.least, self.most, self.calm, self.expected = least, most, calm, expected
        self._began: float | None = None
        self._needed: deque[tuple[float, int]] = deque()

    def decide(self, now: float, loads: Sequence[Load], waiting: int) -> int:
        """Replicas wanted at `now` (seconds, never less than before), those that are draining not counted; `waiting`
        players have no place yet."""
        there = sum(not load.draining for load in loads)
        capacity = self._capacity(loads)
        players = sum(load.sessions for load in loads) + waiting
        needed = self._bounded(_replicas(players, capacity))
        self._remember(now, self._bounded(_replicas(players, SLACK * capacity)))
        if self._began is None or needed > there:
            self._began = now
        if needed > there:
            return needed
        if now - self._began < self.calm:
            return min(there, self.most)
        return min(there, max(count for _, count in self._needed))

    def _capacity(self, loads: Sequence[Load]) -> float:
        """Of a replica, on average; one that is too busy can do no more than it does."""
        told = [load for load in loads if load.ready and load.capacity > 0]
        able = [min(load.sessions, load.capacity) if load.busy >= BUSIEST else load.capacity for load in told]
        return max(1.0, sum(able) / len(able)) if able else float(self.expected)

    def _bounded(self, replicas: int) -> int:
        return min(self.most, max(self.least, replicas))

    def _remember(self, now: float, needed: int) -> None:
        """Keeps what was needed in the last `calm` seconds, as falling numbers: a larger one makes those before it
        count for nothing."""
        while self._needed and self._needed[-1][1] <= needed:
            self._needed.pop()
        self._needed.append((now, needed))
        while now - self._needed[0][0] > self.calm:
            self._needed.popleft()


def _replicas(players: int, capacity: float) -> int:
    places = players + max(1, math.ceil(HEADROOM * players)) if players else 0
    return math.ceil(places / capacity - 1e-9)


def steps(loads: Sequence[Load], wanted: int) -> Steps:
    """From how the replicas stand to `wanted` that are not draining.

    What drains is revived before another is started; what is still starting is given up first, then the emptiest.
    """
    kept = [load for load in loads if not load.draining]
    draining = sorted((load for load in loads if load.draining), key=lambda load: (-load.sessions, load.replica))
    more = wanted - len(kept)
    revive = [load.replica for load in draining if load.ready][: max(0, more)]
    leaving = sorted(kept, key=lambda load: (load.ready, load.sessions, load.replica))[: max(0, -more)]
    return Steps(
        start=max(0, more - len(revive)),
        revive=tuple(revive),
        drain=tuple(load.replica for load in leaving),
        end=tuple(load.replica for load in draining if not load.sessions and load.replica not in revive),
    )
