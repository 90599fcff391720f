"""The order in which training sees windows: a pure function of (seed, epoch), so that it can be resumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dreamcade.core.errors import BadInputError
from dreamcade.dataset.format import EpisodeInfo


@dataclass(frozen=True, slots=True)
class Window:
    """Frames `start` to `stop` − 1 of an episode."""

    episode: EpisodeInfo
    start: int
    stop: int


class WindowSampler:
    """Windows of `length` ticks over `episodes`, each tick of an epoch seen about once, in random order.

    Every epoch shifts the windows by another offset, so that their borders move. Episodes shorter than `length`
    are left out; raises `BadInputError` where none is left.
    """

    def __init__(self, episodes: Sequence[EpisodeInfo], length: int, seed: int = 0) -> None:
        if length < 1:
            raise BadInputError(f"a window needs at least 1 tick; got {length}")
        self._episodes = tuple(e for e in episodes if e.length >= length)
        if not self._episodes:
            longest = max((e.length for e in episodes), default=0)
            raise BadInputError(f"no episode has {length} ticks (the longest of {len(episodes)} has {longest})")
        self._length, self._seed = length, seed

    def epoch(self, number: int, skip: int = 0) -> Iterator[Window]:
        """The windows of epoch `number` from the `skip`-th on: the same every time."""
        rng = np.random.default_rng([self._seed, number])
        windows: list[Window] = []
        for episode in self._episodes:
            first = int(rng.integers(min(self._length, episode.length - self._length + 1)))
            starts = range(first, episode.length - self._length + 1, self._length)
            windows += [Window(episode, start, start + self._length) for start in starts]
        order = rng.permutation(len(windows))
        yield from (windows[i] for i in order[skip:])
