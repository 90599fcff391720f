"""How long a stage's devices work, and who waits for them where two stages share one."""

from __future__ import annotations


class Device:
    """Counts seconds of work: `ticks` for frames that were due, `drafts` for those that may come. Work that comes while
    it is busy waits until what came before is done, at `free_at` (two streams of one device: what they do at once takes
    as long as one after the other)."""

    def __init__(self) -> None:
        self.ticks = 0.0
        self.drafts = 0.0
        self.free_at = 0.0
        self._looked, self._had, self._share = 0.0, 0.0, 0.0

    def take(self, now: float, seconds: float, frames: bool) -> float:
        """When work of so many seconds, asked for now, begins."""
        begins = max(now, self.free_at)
        self.free_at = begins + seconds
        if frames:
            self.ticks += seconds
        else:
            self.drafts += seconds
        return begins

    def give_up(self, now: float, ends: float, at: float) -> None:
        """Work over drafts that was to end at `ends` ends `at` instead."""
        self.drafts -= max(0.0, ends - max(now, at))
        if self.free_at == ends:
            self.free_at = at

    def share(self, now: float) -> float:
        """Of the time: how much it works for ticks, smoothed over the last seconds."""
        if now - self._looked >= 1.0:
            newest = (self.ticks - self._had) / (now - self._looked)
            self._share = (self._share + newest) / 2 if self._looked else newest
            self._looked, self._had = now, self.ticks
        return self._share
