"""Gymnasium's CarRacing without the work that a recording does not need.

The environment renders a 96×96 observation on every physics step and transforms every polygon of the track in
Python. Here the observation is skipped, and polygons are transformed at once and culled to the screen; what is
left draws exactly the same pixels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from gymnasium.envs.box2d import car_racing as upstream
from numpy.typing import NDArray
from pygame import gfxdraw

INTRO_SECONDS = 1.0
"""The camera zooms in during this time after a reset; a play starts behind it."""


class RacingEnv(upstream.CarRacing):
    """CarRacing whose frames have any size, whose laps go on, and which may start anywhere on the track."""

    surf: Any
    road: Any
    track: Any
    car: Any

    def __init__(self, width: int, height: int) -> None:
        super().__init__(render_mode="rgb_array", lap_complete_percent=math.inf)
        self._frame_size = (width, height)
        self._grass = self._grass_polygons()
        self._road: NDArray[np.float64] = np.zeros((0, 4, 2))

    def start(self, seed: int) -> None:
        """Builds the track of `seed` and puts the car at rest on a point of it that `seed` chooses."""
        self.reset(seed=seed)
        self.t = INTRO_SECONDS
        self._road = np.array([polygon for polygon, _ in self.road_poly])

    def advance(self, action: NDArray[np.float32]) -> tuple[float, bool]:
        """One physics step; returns (reward, left the playfield)."""
        _, reward, terminated, _, info = self.step(action)
        if terminated and info["lap_finished"]:
            self._begin_lap()
            terminated = False
        return float(reward), bool(terminated)

    def draw(self) -> NDArray[np.uint8]:
        """The frame, uint8 RGB `[H, W, 3]`."""
        return np.ascontiguousarray(super()._render("rgb_array"))

    def _begin_lap(self) -> None:
        # Upstream ends the episode after one lap; a world should go round and round.
        self.tile_visited_count = 0
        for tile in self.road:
            tile.road_visited = False

    def _create_track(self) -> bool:
        if not super()._create_track():  # type: ignore[no-untyped-call]
            return False
        first = int(self.np_random.integers(len(self.track)))
        self.track = self.track[first:] + self.track[:first]
        return True

    def _render(self, mode: str) -> Any:
        return None if mode == "state_pixels" else super()._render(mode)

    def _create_image_array(self, screen: Any, size: tuple[int, int]) -> Any:
        return super()._create_image_array(screen, self._frame_size)  # type: ignore[no-untyped-call]

    def _render_road(self, zoom: float, translation: tuple[float, float], angle: float) -> None:
        edge = upstream.PLAYFIELD
        field = [(edge, edge), (edge, -edge), (-edge, -edge), (-edge, edge)]
        self._draw_colored_polygon(  # type: ignore[no-untyped-call]
            self.surf, field, self.bg_color, zoom, translation, angle, clip=False
        )
        for _, points in self._visible(self._grass, zoom, translation, angle):
            self._fill(points, self.grass_color)
        for index, points in self._visible(self._road, zoom, translation, angle):
            self._fill(points, [int(c) for c in self.road_poly[index][1]])

    def _fill(self, points: Any, colour: Any) -> None:
        gfxdraw.aapolygon(self.surf, points, colour)
        gfxdraw.filled_polygon(self.surf, points, colour)

    @staticmethod
    def _visible(
        polygons: NDArray[np.float64], zoom: float, translation: tuple[float, float], angle: float
    ) -> list[tuple[int, Any]]:
        """Index and screen points of every polygon whose bounding box meets the screen."""
        cos, sin = math.cos(angle), math.sin(angle)
        x = (polygons[..., 0] * cos - polygons[..., 1] * sin) * zoom + translation[0]
        y = (polygons[..., 0] * sin + polygons[..., 1] * cos) * zoom + translation[1]
        seen = (x.max(1) >= -2) & (x.min(1) <= upstream.WINDOW_W + 2)
        seen &= (y.max(1) >= -2) & (y.min(1) <= upstream.WINDOW_H + 2)
        chosen = np.flatnonzero(seen)
        points = np.stack([x[chosen], y[chosen]], axis=-1).tolist()
        return list(zip(chosen.tolist(), points, strict=True))

    @staticmethod
    def _grass_polygons() -> NDArray[np.float64]:
        side = upstream.GRASS_DIM
        corners = np.array([(1, 0), (0, 0), (0, 1), (1, 1)], np.float64)
        origins = np.array([(x, y) for x in range(-20, 20, 2) for y in range(-20, 20, 2)], np.float64)
        return side * origins[:, None] + side * corners
