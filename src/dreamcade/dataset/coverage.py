"""How much of a game a recording has seen, from the game's own columns: places, speeds, rewards, wins and losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]

SPIN_SLIP, SPIN_SPEED = 0.7, 8.0
"""A car that moves faster than this, so many radians off its heading, is spinning."""
ENDS = ("ended", "terminated", "won", "lost")
"""Columns that say that a life or a play ended."""
GRID = 48
"""Places are counted on a grid of so many cells along the longer side of all that was visited."""
MAP_WIDTH, MAP_HEIGHT = 72, 24
SHADES = " ·░▒▓█"


def coverage(columns: Columns) -> dict[str, float]:
    """Figures of the columns that a game exposes; shares between 0 and 1."""
    found: dict[str, float] = {}
    if "level" in columns:
        _, played = np.unique(columns["level"], return_counts=True)
        found["levels"] = len(played)
        found["rarest_level"] = round(float(played.min() / played.sum()), 4)
    if _has_places(columns):
        _, counts = np.unique(places(columns), axis=0, return_counts=True)
        shares = np.sort(counts)[::-1].cumsum() / counts.sum()
        found["places"] = len(counts)
        found["places_for_half"] = int((shares < 0.5).sum()) + 1
    for event in ("won", "lost"):
        if event in columns:
            found[event] = int((columns[event] > 0).sum())
    if ends := [columns[name] > 0 for name in ENDS if name in columns]:
        found["ended"] = int(np.any(ends, axis=0).sum())
    if "reward" in columns:
        found["reward"] = round(float(columns["reward"].sum(dtype=np.float64)), 4)
    if "on_track" in columns:
        found["on_track_share"] = share(columns["on_track"] >= 2)
    if "speed" in columns:
        speed = columns["speed"]
        found["standing_share"] = share(speed < 0.5)
        for percent in (5, 25, 50, 75, 95):
            found[f"speed_p{percent}"] = round(float(np.percentile(speed, percent)), 2)
        if "slip_angle" in columns:
            found["spin_share"] = share((np.abs(columns["slip_angle"]) > SPIN_SLIP) & (speed > SPIN_SPEED))
    if "heading_error" in columns:
        found["wrong_way_share"] = share(np.abs(columns["heading_error"]) > np.pi / 2)
    return found


def places(columns: Columns) -> NDArray[np.int64]:
    """The cell of the grid that each tick was in, `[T, 2]`, or with its level `[T, 3]`."""
    x, y = columns["x"].astype(np.float64), columns["y"].astype(np.float64)
    cell = max(np.ptp(x), np.ptp(y), 1e-9) / GRID
    parts = [np.floor((x - x.min()) / cell), np.floor((y - y.min()) / cell)]
    if "level" in columns:
        parts.append(columns["level"])
    return np.stack(parts, 1).astype(np.int64)


def place_map(columns: Columns) -> list[str]:
    """Where play has been, north up, a character a place, darker where it was longer; of levels, the one played most.

    None without places.
    """
    if not _has_places(columns):
        return []
    x, y = columns["x"].astype(np.float64), columns["y"].astype(np.float64)
    if "level" in columns:
        levels, played = np.unique(columns["level"], return_counts=True)
        there = columns["level"] == levels[played.argmax()]
        x, y = x[there], y[there]
    # A character is twice as high as it is wide, and the map keeps its shape.
    unit = max(np.ptp(x) / MAP_WIDTH, np.ptp(y) / (2 * MAP_HEIGHT), 1e-9)
    wide, high = int(np.ptp(x) / unit) + 1, int(np.ptp(y) / (2 * unit)) + 1
    column, row = ((x - x.min()) / unit).astype(int), ((y.max() - y) / (2 * unit)).astype(int)
    counts = np.zeros((high, wide))
    np.add.at(counts, (row.clip(0, high - 1), column.clip(0, wide - 1)), 1)
    depth = np.log1p(counts) / np.log1p(counts.max())
    shades = np.where(counts > 0, 1 + (depth * (len(SHADES) - 2)).round().astype(int), 0)
    return ["".join(SHADES[s] for s in line).rstrip() for line in shades]


def _has_places(columns: Columns) -> bool:
    """Whether x and y mean the same place in every episode; a car has another track each time."""
    return {"x", "y"} <= set(columns) and "track_index" not in columns


def share(mask: NDArray[np.bool_]) -> float:
    """Of a mask, between 0 and 1."""
    return round(float(mask.mean()), 4)
