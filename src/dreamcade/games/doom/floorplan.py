"""Where one can walk on a map of Doom's, and the way from here to there."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

CELL = 8.0
"""Map units between samples of the floor."""
STRIDE = 4
"""Samples between places of the walking graph."""
RADIUS, STEP_UP, HEADROOM = 17.0, 24.0, 56.0
"""The player's half width with a little to spare, the highest step, and its height."""


@dataclass(frozen=True, slots=True)
class Line:
    x1: float
    y1: float
    x2: float
    y2: float
    blocking: bool

    @property
    def ends(self) -> tuple[float, float, float, float]:
        return self.x1, self.y1, self.x2, self.y2


@dataclass(frozen=True, slots=True)
class Sector:
    """A part of the map with one floor and one ceiling, and the lines around it."""

    floor: float
    ceiling: float
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A place of the walking graph; `door` where the way leads through a sector that is closed until it is opened."""

    x: float
    y: float
    door: bool


class FloorPlan:
    """A raster of floor heights, and a graph of places 32 map units apart between which one can walk."""

    def __init__(self, sectors: Sequence[Sector]) -> None:
        self.walls = np.array(
            [line.ends for s in sectors for line in s.lines if line.blocking], np.float64
        ).reshape(-1, 4)  # fmt: skip
        corners = np.array([line.ends for s in sectors for line in s.lines]).reshape(-1, 2)
        self._left, self._bottom = corners.min(0)
        columns, rows = (np.ceil((corners.max(0) - corners.min(0)) / CELL) + 1).astype(int)
        self._x = self._left + CELL * (np.arange(columns) + 0.5)
        self._y = self._bottom + CELL * (np.arange(rows) + 0.5)
        self.floor = np.full((rows, columns), np.nan)
        self.door = np.zeros((rows, columns), bool)
        for sector in sectors:
            self._paint(sector)
        self._walls_at = self._near_walls(CELL)
        self._open = ~np.isnan(self.floor) & ~self._near_walls(RADIUS)
        self.places, self._ways = self._connect()

    def _paint(self, sector: Sector) -> None:
        """Enters a sector's floor at the samples inside it, by the even-odd rule over its lines."""
        ends = np.array([line.ends for line in sector.lines])
        if not len(ends):
            return
        x1, y1, x2, y2 = ends.T
        inside = np.zeros(self.floor.shape, bool)
        rows = np.flatnonzero((self._y >= min(y1.min(), y2.min())) & (self._y <= max(y1.max(), y2.max())))
        for row in rows:
            y = self._y[row]
            crossed = (y1 > y) != (y2 > y)
            at = x1[crossed] + (y - y1[crossed]) / (y2[crossed] - y1[crossed]) * (x2[crossed] - x1[crossed])
            inside[row] = (at[None] > self._x[:, None]).sum(1) % 2 == 1
        closed = sector.ceiling - sector.floor < HEADROOM
        self.floor[inside] = sector.floor
        self.door[inside] = closed

    def _near_walls(self, radius: float) -> NDArray[np.bool_]:
        near = np.zeros(self.floor.shape, bool)
        for x1, y1, x2, y2 in self.walls:
            columns = np.flatnonzero((self._x > min(x1, x2) - radius) & (self._x < max(x1, x2) + radius))
            rows = np.flatnonzero((self._y > min(y1, y2) - radius) & (self._y < max(y1, y2) + radius))
            if not len(columns) or not len(rows):
                continue
            x, y = self._x[columns][None], self._y[rows][:, None]
            length = max((x2 - x1) ** 2 + (y2 - y1) ** 2, 1e-6)
            along = np.clip(((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length, 0, 1)
            distance = np.hypot(x - x1 - along * (x2 - x1), y - y1 - along * (y2 - y1))
            near[np.ix_(rows, columns)] |= distance < radius
        return near

    def _connect(self) -> tuple[list[Place], list[list[tuple[int, float]]]]:
        rows, columns = self.floor.shape
        index = -np.ones((rows, columns), int)
        places: list[Place] = []
        for row in range(0, rows, STRIDE):
            for column in range(0, columns, STRIDE):
                if self._open[row, column]:
                    index[row, column] = len(places)
                    door = bool(self.door[row, column])
                    places.append(Place(float(self._x[column]), float(self._y[row]), door))
        ways: list[list[tuple[int, float]]] = [[] for _ in places]
        for row, column in zip(*np.nonzero(index >= 0), strict=True):
            for down, right in ((0, 1), (1, 0), (1, 1), (1, -1), (0, -1), (-1, 0), (-1, -1), (-1, 1)):
                r, c = row + STRIDE * down, column + STRIDE * right
                if 0 <= r < rows and 0 <= c < columns and index[r, c] >= 0 and self._passable(row, column, down, right):
                    ways[index[row, column]].append((int(index[r, c]), STRIDE * CELL * math.hypot(down, right)))
        return places, ways

    def _passable(self, row: int, column: int, down: int, right: int) -> bool:
        """Whether the floor between a sample and the next place rises by no more than a step at once."""
        steps = range(STRIDE + 1)
        if not all(self._open[row + i * down, column + i * right] for i in steps):
            return False
        heights = [self.floor[row + i * down, column + i * right] for i in steps]
        return all(b - a <= STEP_UP for a, b in pairwise(heights))

    def nearest(self, x: float, y: float) -> int:
        """The place nearest to a point."""
        return int(np.argmin([(p.x - x) ** 2 + (p.y - y) ** 2 for p in self.places]))

    def reachable(self, start: int) -> dict[int, float]:
        """Walking distance of every place that can be reached from `start`."""
        return self._walk(start)[0]

    def path(self, start: int, goal: int) -> list[Place]:
        """The shortest way, both ends included; empty where there is none."""
        distances, before = self._walk(start)
        if goal not in distances:
            return []
        way = [goal]
        while way[-1] != start:
            way.append(before[way[-1]])
        return [self.places[i] for i in reversed(way)]

    def _walk(self, start: int) -> tuple[dict[int, float], dict[int, int]]:
        """Dijkstra's algorithm."""
        distances, before, queue = {start: 0.0}, {start: start}, [(0.0, start)]
        while queue:
            distance, place = heapq.heappop(queue)
            if distance > distances[place]:
                continue
            for neighbour, length in self._ways[place]:
                if distance + length < distances.get(neighbour, math.inf):
                    distances[neighbour] = distance + length
                    before[neighbour] = place
                    heapq.heappush(queue, (distances[neighbour], neighbour))
        return distances, before

    def clearance(self, x: float, y: float, bearing: float, farthest: float = 512.0) -> float:
        """How far one can walk from a point along `bearing` (radians) before something stops one, in map units."""
        steps = np.arange(0.0, farthest, CELL)
        columns = ((x + steps * math.cos(bearing) - self._left) / CELL).astype(int)
        rows = ((y + steps * math.sin(bearing) - self._bottom) / CELL).astype(int)
        inside = (columns >= 0) & (columns < self.floor.shape[1]) & (rows >= 0) & (rows < self.floor.shape[0])
        columns, rows = columns.clip(0, self.floor.shape[1] - 1), rows.clip(0, self.floor.shape[0] - 1)
        floor = self.floor[rows, columns]
        stopped = ~inside | np.isnan(floor) | self._walls_at[rows, columns]
        stopped[1:] |= np.diff(np.nan_to_num(floor)) > STEP_UP
        return float(steps[stopped.argmax()]) if stopped.any() else farthest

    def crosses_wall(self, x1: float, y1: float, x2: float, y2: float) -> bool:
        """Whether the straight way between two points goes through a wall."""
        ax, ay, bx, by = self.walls.T
        first = (x2 - x1) * (ay - y1) - (y2 - y1) * (ax - x1)
        second = (x2 - x1) * (by - y1) - (y2 - y1) * (bx - x1)
        third = (bx - ax) * (y1 - ay) - (by - ay) * (x1 - ax)
        fourth = (bx - ax) * (y2 - ay) - (by - ay) * (x2 - ax)
        # Half-open: a way through the point where two walls meet, or that ends on one, crosses once, not never.
        return bool(np.any(((first > 0) != (second > 0)) & ((third > 0) != (fourth > 0))))
