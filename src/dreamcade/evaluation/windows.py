"""Which stretches of held-out play a figure is measured on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.errors import BadInputError, DatasetError
from dreamcade.dataset.format import EpisodeInfo
from dreamcade.dataset.reader import Dataset
from dreamcade.world.world import World

CONTEXT = 16
"""Real frames that a session is primed with."""

Eligible = Callable[[Dataset, EpisodeInfo], NDArray[np.bool_]]
"""Says for every frame of an episode whether a rollout may begin after it."""


@dataclass(frozen=True, slots=True)
class Window:
    """`CONTEXT` frames of `episode` from `start` on, and whatever follows them."""

    episode: EpisodeInfo
    start: int

    @property
    def newest(self) -> int:
        """Index of the last context frame."""
        return self.start + CONTEXT - 1

    def context(self, dataset: Dataset) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Frames uint8 `[CONTEXT, H, W, 3]` and the actions float32 `[CONTEXT, A]` taken after each."""
        span = (self.start, self.start + CONTEXT)
        return dataset.frames(self.episode, *span), dataset.actions(self.episode, *span)


def expect_its_game(world: World, dataset: Dataset) -> None:
    """Raises `BadInputError` where `dataset` is no recording of `world`'s game."""
    got = (dataset.meta.frame_size, dataset.meta.controls.names)
    expected = (world.frame_size, world.controls.names)
    if got != expected:
        raise BadInputError(
            f"{world.manifest.name} has frames {expected[0]} and controls {', '.join(expected[1])}; {dataset.path} has "
            f"{got[0]} and {', '.join(got[1])}: give a recording of the world's game"
        )


def choose_windows(dataset: Dataset, count: int, horizon: int, seed: int, eligible: Eligible) -> list[Window]:
    """Up to `count` windows with `horizon` frames behind their context, spread evenly over the held-out episodes.

    Windows of one episode do not share a beginning (they are at least `CONTEXT` frames apart). Raises `DatasetError`
    where there is nothing to choose from.
    """
    rng = np.random.default_rng(seed)
    episodes = dataset.episodes("heldout")
    if not episodes:
        raise DatasetError("the dataset has no held-out episodes to evaluate on; record more episodes")
    queues = [_spaced(rng.permutation(_starts(dataset, e, horizon, eligible)), e) for e in episodes]
    chosen: list[Window] = []
    while len(chosen) < count and any(queues):
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append(queue.pop())
    if not chosen:
        raise DatasetError(
            f"no held-out episode has a moment that fits, with {CONTEXT + horizon} frames around it; record more or "
            "longer ones"
        )
    return chosen


def _starts(dataset: Dataset, episode: EpisodeInfo, horizon: int, eligible: Eligible) -> NDArray[np.intp]:
    last = episode.length - CONTEXT - horizon
    if last < 0:
        return np.zeros(0, np.intp)
    allowed = eligible(dataset, episode)[CONTEXT - 1 :][: last + 1]
    return np.flatnonzero(allowed)


def _spaced(starts: NDArray[np.intp], episode: EpisodeInfo) -> list[Window]:
    kept: list[int] = []
    for start in starts:
        if all(abs(start - other) >= CONTEXT for other in kept):
            kept.append(int(start))
    return [Window(episode, start) for start in reversed(kept)]


def anywhere(dataset: Dataset, episode: EpisodeInfo) -> NDArray[np.bool_]:
    """Every frame."""
    return np.ones(episode.length, np.bool_)


def driving(slowest: float = 5.0, fastest: float = np.inf, wheels: int = 1, aslant: float = np.inf) -> Eligible:
    """Frames where the car moves, with some wheels on the road, heading along it (at most `aslant` radians off)."""

    def eligible(dataset: Dataset, episode: EpisodeInfo) -> NDArray[np.bool_]:
        speed = dataset.column(episode, "speed")
        allowed = (speed >= slowest) & (speed <= fastest) & (dataset.column(episode, "on_track") >= wheels)
        if np.isfinite(aslant):
            allowed &= np.abs(dataset.column(episode, "heading_error")) <= aslant
        return np.asarray(allowed, np.bool_)

    return eligible


def off_road(fastest: float) -> Eligible:
    """Frames where the car is on the grass with all wheels, and slow."""

    def eligible(dataset: Dataset, episode: EpisodeInfo) -> NDArray[np.bool_]:
        slow = dataset.column(episode, "speed") <= fastest
        return np.asarray(slow & (dataset.column(episode, "on_track") == 0), np.bool_)

    return eligible


def where(column: str, low: float = -np.inf, high: float = np.inf) -> Eligible:
    """Frames where a recorded column lies between two values."""

    def eligible(dataset: Dataset, episode: EpisodeInfo) -> NDArray[np.bool_]:
        values = dataset.column(episode, column)
        return np.asarray((values >= low) & (values <= high), np.bool_)

    return eligible


def every(*parts: Eligible) -> Eligible:
    """Frames where all of these hold."""

    def eligible(dataset: Dataset, episode: EpisodeInfo) -> NDArray[np.bool_]:
        return np.asarray(np.logical_and.reduce([part(dataset, episode) for part in parts]), np.bool_)

    return eligible
