"""A fixed-rate clock. It never reads the time itself: every method is told what `now` is, in seconds."""

from __future__ import annotations

import math
from collections import deque

from dreamcade.core.errors import BadInputError


class FixedRateClock:
    """Ticks are due at origin + k / rate, k = 0, 1, 2, …: computed, not summed, so they never drift.

    A tick that is less than a period late is taken at once, and the following ones catch up. Ticks that are a whole
    period late are skipped: after a stall there is one tick, not a burst of them.
    """

    def __init__(self, rate: float) -> None:
        if not (math.isfinite(rate) and rate > 0):
            raise BadInputError(f"a clock needs a positive number of ticks per second; got {rate}")
        self.rate = rate
        self._origin = 0.0
        self._next = 0

    @property
    def deadline(self) -> float:
        """When the next tick is due."""
        return self._origin + self._next / self.rate

    def start(self, now: float) -> None:
        """The next tick is due now; the following ones count from here."""
        self._origin = now
        self._next = 0

    @property
    def period(self) -> float:
        """Seconds from one tick to the next."""
        return 1.0 / self.rate

    def seconds_until_due(self, now: float) -> float:
        """How long to wait for the next tick; 0 when it is due."""
        return max(0.0, self.deadline - now)

    def take(self, now: float) -> int:
        """Takes the tick that is due and returns how many ticks before it were skipped.

        Taking one before its deadline is a mistake of the caller.
        """
        assert now >= self.deadline, "no tick is due yet"
        newest = max(self._next, math.floor((now - self._origin) * self.rate) - 1)
        while self._origin + (newest + 1) / self.rate <= now:  # rounding of the product must not decide
            newest += 1
        skipped = newest - self._next
        self._next = newest + 1
        return skipped


class RateMeter:
    """Frames per second over the last `span` events."""

    def __init__(self, span: int = 32) -> None:
        self._times: deque[float] = deque(maxlen=span)

    def mark(self, now: float) -> float:
        """Counts an event at `now` (seconds) and returns the rate; 0 until there are two."""
        self._times.append(now)
        elapsed = now - self._times[0]
        return (len(self._times) - 1) / elapsed if elapsed > 0 else 0.0
