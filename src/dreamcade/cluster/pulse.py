"""When a worker counts as lost: pure rules, told the time and what was seen. Knows no threads and no PyTorch."""

from __future__ import annotations

from collections.abc import Hashable

BEAT = 0.15
"""Seconds between two signs of life that a worker sends."""
LOOK = 0.05
"""Seconds between two looks at all workers."""
SILENT_LOOKS = 12
"""Looks without a sign of life after which a worker is lost: 0.6 s, where nothing holds up whoever looks."""
LEAST_PATIENCE = 1.0
"""Seconds that any command may take."""
FIRST_PATIENCE = 20.0
"""Seconds that a command of a size that was never seen may take: graphs are captured and compiled then."""
MOST_WAIT = 60.0
"""Seconds; between two replacements, and after which nothing of earlier losses is held against a crew."""


class Pulse:
    """Counts looks, not seconds: where the one who looks was held up himself, nobody else is blamed for it."""

    def __init__(self) -> None:
        self._beats = self._seen = self._silent = 0

    def beat(self) -> None:
        """A sign of life came."""
        self._beats += 1

    def look(self) -> bool:
        """Whether it has been silent for too long; to be asked every `LOOK` seconds."""
        self._silent = self._silent + 1 if self._beats == self._seen else 0
        self._seen = self._beats
        return self._silent >= SILENT_LOOKS


class Patience:
    """How long a command may take, learnt from what commands of its size (whatever tells them apart) took."""

    def __init__(self) -> None:
        self._slowest: dict[Hashable, float] = {}

    def took(self, size: Hashable, seconds: float) -> None:
        """A command of `size` was answered."""
        self._slowest[size] = max(seconds, 0.99 * self._slowest.get(size, 0.0))

    def limit(self, size: Hashable) -> float:
        """Seconds for one of `size`."""
        if size not in self._slowest:
            return FIRST_PATIENCE
        return max(LEAST_PATIENCE, 5 * self._slowest[size])


class Replacing:
    """When to start a replacement: at once for a first loss, ever later where they follow each other."""

    def __init__(self) -> None:
        self._wait, self._last = 0.0, -MOST_WAIT

    def lost(self, now: float) -> float:
        """The moment to start it, in seconds on the clock of `now`."""
        if now - self._last >= MOST_WAIT:
            self._wait = 0.0
        due = now + self._wait
        self._wait = min(MOST_WAIT, max(1.0, 2 * self._wait))
        self._last = now
        return due
