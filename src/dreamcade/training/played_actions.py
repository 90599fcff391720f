"""What a predictor learns from: recorded actions on a grid, the same as keys would have done it, and a vocabulary."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.action_grid import ActionGrid
from dreamcade.core.controls import Controls

Play = NDArray[np.float32]
"""Actions of one episode, `[T, A]`."""

MOST_ACTIONS = 1024
"""Of a vocabulary."""
MOST_KEYED = 256
"""Combinations of keys that are all in the vocabulary; of more, those of at most two."""
SHORTEST_HOLD, LONGEST_HOLD = 2, 6
"""Ticks that a finger stays on a key at least, drawn for every press."""
LET_GO = 0.4
"""A key is let go where the axis falls to this part of what presses it."""
AROUND = 12
"""Ticks before and after one that must be on keys as well, for it to count as keyed play."""


def as_keys(play: Play, controls: Controls, usual: NDArray[np.float32], rng: np.random.Generator) -> Play:
    """How keys would have done `play`: every axis fully one way, fully the other, or at rest, and held for a while.

    `usual` `[axes]` is how far an axis is pushed in the middle of play; each play has fingers of its own, which press
    at 0.3 to 1 of that.
    """
    keyed = play.copy()
    for axis, (bounds, push) in enumerate(zip(controls.axes, usual, strict=True)):
        pressed = _press(play[:, axis], float(push * rng.uniform(0.3, 1.0)), rng)
        keyed[:, axis] = np.where(pressed > 0, bounds.high, np.where(pressed < 0, bounds.low, 0))
    return keyed


def _press(values: NDArray[np.float32], threshold: float, rng: np.random.Generator) -> NDArray[np.int8]:
    """−1, 0 or 1 for every tick of an axis `[T]`."""
    pressed, now, left = np.zeros(len(values), np.int8), 0, 0
    for tick, value in enumerate(values.tolist()):
        left -= 1
        limit = threshold * (LET_GO if now and value * now > 0 else 1.0)
        wanted = 0 if abs(value) < limit else int(math.copysign(1, value))
        if wanted != now and left <= 0:
            now, left = wanted, int(rng.integers(SHORTEST_HOLD, LONGEST_HOLD + 1)) if wanted else 1
        pressed[tick] = now
    return pressed


def usual_push(plays: Sequence[Play], controls: Controls) -> NDArray[np.float32]:
    """Median of how far each axis is pushed where it is neither at rest nor at an end, `[axes]`; 0.5 if it never is."""
    together = np.abs(np.concatenate(plays))[:, : len(controls.axes)]
    between = [column[(column > 0) & (column < 1)] for column in together.T]
    return np.array([np.median(values) if len(values) else 0.5 for values in between], np.float32)


def on_keys(play: Play) -> NDArray[np.bool_]:
    """Which ticks `[T]` keys may have done: everything is at rest or at an end, for a second around."""
    plain = np.asarray(np.isin(play, (-1, 0, 1)).all(1), np.bool_)
    padded = np.pad(plain, AROUND, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND + 1)
    return np.asarray(around.all(1), np.bool_)


def make_vocabulary(plays: Sequence[Play], controls: Controls, grid: ActionGrid) -> NDArray[np.int16]:
    """Places `[V, A]` of the actions that can be predicted: whatever keys can do, and what was played, most usual
    first."""
    keyed = [grid.key(action) for action in _combinations(controls)]
    played = Counter(map(tuple, np.rint(np.concatenate(plays) * np.array(grid.levels)).astype(int).tolist()))
    usual = [place for place, _ in played.most_common() if place not in {*keyed}]
    return np.array([*keyed, *usual][:MOST_ACTIONS], np.int16)


def _combinations(controls: Controls) -> list[Play]:
    """What keys can do, each float32 `[A]`: all combinations, or, of very many, those of one or two controls."""
    ends = [sorted({0.0, a.low if a.negative_keys else 0.0, a.high if a.positive_keys else 0.0}) for a in controls.axes]
    ends += [[0.0, 1.0]] * len(controls.buttons)
    if math.prod(map(len, ends)) <= MOST_KEYED:
        return [np.array(values, np.float32) for values in itertools.product(*ends)]
    single = [(i, value) for i, values in enumerate(ends) for value in values if value]
    pairs = [pair for pair in itertools.combinations(single, 2) if pair[0][0] != pair[1][0]]
    chosen = [(), *((one,) for one in single), *pairs]
    return [_with(controls, settings) for settings in chosen]


def _with(controls: Controls, settings: Sequence[tuple[int, float]]) -> Play:
    action = controls.idle()
    for index, value in settings:
        action[index] = value
    return action
