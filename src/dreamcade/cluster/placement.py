"""Which replica a new session goes to. Plain Python: whoever asks says how the replicas stand.

A session stays where it was put (its memory is there), so this is asked once a session, and again only where its
replica is lost or given up.

Batching decides the rule. A session more in a pass costs a third of a pass, so a replica that plays two thirds of what
it can still has time for drafts, which is what halves the wait for a frame; beyond that drafts stop, and close to its
capacity ticks are missed. So sessions are put together as long as that costs nothing (whole replicas stay empty and can
be given back), and spread over what is there from then on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

COMFORT = 0.65
"""Of its capacity: up to here a replica is filled before the next one is begun."""
BUSIEST = 0.9
"""Of a tick period: a replica whose slowest stage works longer takes nobody, whatever its capacity was said to be."""


@dataclass(frozen=True, slots=True)
class Load:
    """How a replica stands. `capacity`: the sessions that it can keep at the tick rate; `busy`: the share of a tick
    period that its slowest stage works for ticks (not for drafts), smoothed.

    Not `ready`, it is still starting; `draining`, it is being given up: neither takes a session.
    """

    replica: str
    sessions: int
    capacity: int
    busy: float
    ready: bool = True
    draining: bool = False

    @property
    def room(self) -> int:
        """How many more sessions it would play in time: 0 where it is draining or too busy."""
        if self.draining or self.busy >= BUSIEST:
            return 0
        return max(0, self.capacity - self.sessions)

    @property
    def comfortable(self) -> bool:
        """Whether one more session takes nothing from those that play."""
        return self.room > 0 and self.sessions < max(1, math.floor(COMFORT * self.capacity))

    @property
    def fullness(self) -> float:
        return self.sessions / self.capacity if self.capacity else 1.0


def place(loads: Sequence[Load], pack: bool = True) -> str | None:
    """The replica for a new session; None where no replica has room within its tick period.

    The fullest of those that stay comfortable, else the emptiest with room; ties by name. Not to `pack`, always the
    emptiest: right where the number of replicas is fixed and an empty one saves nothing.
    """
    able = [load for load in loads if load.ready and load.room]
    comfortable = [load for load in able if load.comfortable]
    if pack and comfortable:
        return min(comfortable, key=lambda load: (-load.fullness, load.replica)).replica
    return min(able, key=lambda load: (load.fullness, load.replica)).replica if able else None
