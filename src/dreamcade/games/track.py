"""A closed track as geometry: where is the car on it, and what comes next."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SEARCH_WINDOW = 12
"""Points either side of the last place that are looked at first: a track may pass close to itself."""
LOST_DISTANCE = 25.0
"""Farther than this from that stretch (game units), the whole track is searched again."""


@dataclass(frozen=True, slots=True)
class Place:
    """The nearest point of the track: its index and the signed distance from it (left positive, game units)."""

    index: int
    offset: float


class Track:
    """Centre line `points` float64 `[N, 2]` of a closed track, in driving order, with directions in radians.

    A direction of 0 looks along +y and grows counter-clockwise, as the angle of a Box2D car does.
    """

    def __init__(self, points: NDArray[np.float64], directions: NDArray[np.float64]) -> None:
        self.points = points
        self.directions = np.unwrap(directions)
        steps = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
        self.spacing = float(np.median(steps))
        turn = np.diff(self.directions, append=self.directions[0])
        turn = (turn + math.pi) % (2 * math.pi) - math.pi
        kernel = np.ones(3) / 3
        padded = np.concatenate([turn[-1:], turn, turn[:1]])
        self.curvature = np.convolve(padded, kernel, mode="valid") / self.spacing

    def __len__(self) -> int:
        return len(self.points)

    def locate(self, x: float, y: float, near: int | None = None) -> Place:
        """The place on the track nearest to (x, y), looking first around index `near`."""
        position = np.array([x, y])
        if near is not None:
            around = np.arange(near - SEARCH_WINDOW, near + SEARCH_WINDOW + 1) % len(self)
            index = int(around[np.argmin(((self.points[around] - position) ** 2).sum(axis=1))])
            if math.dist(self.points[index], (x, y)) < LOST_DISTANCE:
                return Place(index, self._offset(index, position))
        index = int(np.argmin(((self.points - position) ** 2).sum(axis=1)))
        return Place(index, self._offset(index, position))

    def _offset(self, index: int, position: NDArray[np.float64]) -> float:
        angle = self.directions[index]
        delta = position - self.points[index]
        return float(-delta[0] * math.cos(angle) - delta[1] * math.sin(angle))

    def target(self, index: int, distance: float, offset: float, way: int = 1) -> tuple[float, float]:
        """The point `distance` ahead of `index` (behind for way = −1) and `offset` to the left of the centre."""
        ahead = (index + way * round(distance / self.spacing)) % len(self)
        x, y = self.points[ahead]
        angle = self.directions[ahead]
        return float(x - offset * math.cos(angle)), float(y - offset * math.sin(angle))

    def mean_curvature(self, index: int, near: float, far: float, way: int = 1) -> float:
        """Mean signed curvature (1/unit, left positive in driving order) between two distances ahead."""
        return float(self.curvature[self._range(index, near, far, way)].mean())

    def sharpest(self, index: int, near: float, far: float, way: int = 1) -> float:
        """Largest absolute curvature (1/unit) between two distances ahead."""
        return float(np.abs(self.curvature[self._range(index, near, far, way)]).max())

    def _range(self, index: int, near: float, far: float, way: int) -> NDArray[np.int64]:
        first = round(near / self.spacing)
        last = max(first + 1, round(far / self.spacing))
        return (index + way * np.arange(first, last)) % len(self)
