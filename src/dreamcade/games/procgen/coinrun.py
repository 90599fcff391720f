"""What CoinRun's saved state says: where everything is.

The layout is Procgen's own (`Game`, `BasicAbstractGame` and `CoinRun`, each with a `serialize`), little-endian words.
Lengths are in cells of the level's grid; y grows upwards.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PLAYER = 0
GOAL, SAW, ENEMY = 1, 2, 5
WALL_MID, WALL_TOP, LAVA_MID, LAVA_TOP, CRATE = 15, 16, 17, 18, 20

HALF_WIDTH, HALF_HEIGHT = 0.5, 0.5787
"""Half the size of the player."""
TOP_SPEED, JUMP_SPEED, GRAVITY = 0.5, 1.5, 0.2
"""Cells a tick, cells a tick, cells a tick squared."""
VIEW = 13
"""Cells that a picture is wide and high; the player is in its middle."""

LEVELS = (1, 10, 14, 21, 22, 28, 39, 41, 61, 71, 72, 78, 83, 85, 92, 99)
"""The pack that is played in turn: of the first hundred, sixteen long ones, each before a background of its own."""

_GAME_WORDS_BEFORE, _GAME_WORDS_AFTER = 17, 15
_ENTITY_WORDS = 31
_WORDS_BEFORE_RANDOM, _WORDS_AFTER_RANDOM = 19, 9


@dataclass(frozen=True, slots=True)
class CoinRunState:
    """`grid` int `[64, 64]` by (y, x); `saws`, `enemies` and `crates` float `[N, 4]` of x, y, vx, vy."""

    x: float
    y: float
    vx: float
    vy: float
    supported: bool
    facing_right: bool
    grid: NDArray[np.int32]
    saws: NDArray[np.float32]
    enemies: NDArray[np.float32]
    crates: NDArray[np.float32]

    @property
    def goal(self) -> tuple[int, int]:
        """Cell (x, y) of the coin."""
        y, x = np.argwhere(self.grid == GOAL)[0]
        return int(x), int(y)

    def solid(self, x: float, y: float) -> bool:
        """Whether a wall is at this point; outside of the level there is nothing else."""
        column, row = int(np.floor(x)), int(np.floor(y))
        if not (0 <= column < self.grid.shape[1] and 0 <= row < self.grid.shape[0]):
            return True
        return int(self.grid[row, column]) in (WALL_MID, WALL_TOP)

    def obstacles(self, way: int, caution: float = 1.0) -> tuple[bool, bool, bool]:
        """What is right before the player when it goes to the right (`way` 1) or left (−1): a wall, a gap in the floor,
        or something deadly within 1.2 + `caution` cells."""
        feet = self.y - 0.5
        wall = any(self.solid(self.x + way * step, feet + 0.3) for step in (0.7, 1.3))
        beyond = self.x + way * 0.9
        gap = not self.solid(beyond, feet - 0.6) and not self._crate_at(beyond, feet - 0.6)
        deadly = np.concatenate([self.saws, self.enemies])
        ahead = way * (deadly[:, 0] - self.x)
        danger = (ahead > 0) & (ahead < 1.2 + caution) & (np.abs(deadly[:, 1] - self.y) < 1.6)
        return wall, gap, bool(danger.any())

    def _crate_at(self, x: float, y: float) -> bool:
        return any(abs(c[0] - x) < 0.5 and abs(c[1] - y) < 0.6 for c in self.crates)

    @property
    def height(self) -> float:
        """From the player's feet down to the wall or crate under them."""
        feet = self.y - HALF_HEIGHT
        heights = [feet - self._wall_below(self.x + side * (HALF_WIDTH - 0.01), feet) for side in (-1, 1)]
        for x, y, _, _ in self.crates:
            if abs(x - self.x) < 2 * HALF_WIDTH and y + 0.5 <= feet + 0.05:
                heights.append(feet - float(y) - 0.5)
        return max(0.0, min(heights))

    def _wall_below(self, x: float, y: float) -> float:
        """The top of the highest wall under a point."""
        row = int(np.floor(y - 0.05))
        while row >= 0 and not self.solid(x, row + 0.5):
            row -= 1
        return float(row + 1)


def parse_state(state: bytes) -> CoinRunState:
    """The words that matter of a CoinRun state."""
    at = _skip_string(state, 4)  # version, name
    at = _skip_random(state, at + 4 * _GAME_WORDS_BEFORE)
    at = _skip_random(state, at)
    at += 4 * _GAME_WORDS_AFTER
    (count,) = struct.unpack_from("<i", state, at + 4)
    entities = np.frombuffer(state, "<f4", count * _ENTITY_WORDS, at + 8).reshape(count, _ENTITY_WORDS)
    types = entities[:, 6].view("<i4")
    at += 8 + 4 * count * _ENTITY_WORDS
    at = _skip_random(state, at + 4 * _WORDS_BEFORE_RANDOM)
    at += 4 * _WORDS_AFTER_RANDOM
    width, height, size = struct.unpack_from("<3i", state, at)
    grid = np.frombuffer(state, "<i4", size, at + 12).reshape(height, width)
    _, _, supported, facing_right = struct.unpack_from("<f3i", state, at + 12 + 4 * size)
    player = entities[types == PLAYER][0]
    x, y, vx, vy = (float(v) for v in player[:4])
    saws, enemies, crates = (entities[types == kind][:, :4] for kind in (SAW, ENEMY, CRATE))
    return CoinRunState(x, y, vx, vy, bool(supported), bool(facing_right), grid, saws, enemies, crates)


def _skip_string(state: bytes, at: int) -> int:
    (length,) = struct.unpack_from("<i", state, at)
    return at + 4 + int(length)


def _skip_random(state: bytes, at: int) -> int:
    """Behind a random generator: whether it is seeded, and its numbers as text."""
    return _skip_string(state, at + 4)
