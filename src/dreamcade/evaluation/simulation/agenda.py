"""The heart of a discrete-event simulation: what happens when."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

Action = Callable[[], None]


class Agenda:
    """Events by time (seconds), those of one moment in the order in which they were put in: same calls, same run.

    `happened` counts them.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.happened = 0
        self._entries: list[tuple[float, int, Action]] = []
        self._put = 0

    def at(self, time: float, action: Action) -> None:
        """`action()` at `time`; one that has passed means now."""
        self._put += 1
        heappush(self._entries, (max(time, self.now), self._put, action))

    def run(self, until: float) -> None:
        """Everything up to `until`, which is then now."""
        entries = self._entries
        while entries and entries[0][0] <= until:
            self.now, _, action = heappop(entries)
            self.happened += 1
            action()
        self.now = until
