"""Gymnasium's CarRacing-v3 as a `Game`: top-down racing with steering, gas and brake."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from dreamcade.core.controls import Axis, Controls
from dreamcade.core.errors import BadInputError, MissingExtraError
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.games.track import Track

if TYPE_CHECKING:
    from dreamcade.games.racing_env import RacingEnv

CAR_RACING = "gym:CarRacing-v3"
PHYSICS_RATE = 50
STEPS_PER_TICK = 2
LOOK_NEAR, LOOK_FAR = 5.0, 40.0
"""Distances ahead (game units) over which `curvature_ahead` is averaged."""

CONTROLS = Controls(
    axes=(
        Axis(
            "steer", -1.0, 1.0, negative_keys=("ArrowLeft", "KeyA"), positive_keys=("ArrowRight", "KeyD"),
            gamepad="axis:0", touch="left", label="Steer",
        ),
        Axis("gas", 0.0, 1.0, positive_keys=("ArrowUp", "KeyW"), gamepad="button:7", touch="right", label="Gas"),
        Axis(
            "brake", 0.0, 1.0, positive_keys=("ArrowDown", "KeyS", "Space"),
            gamepad="button:6", touch="right", label="Brake",
        ),
    )
)  # fmt: skip


class CarRacingGame:
    """CarRacing-v3 at 25 ticks a second, frames of `size` (width, height). State: see `state`."""

    name = CAR_RACING
    controls = CONTROLS
    tick_rate = PHYSICS_RATE / STEPS_PER_TICK
    licence = "MIT (Gymnasium)"

    def __init__(self, size: tuple[int, int]) -> None:
        if min(size) < 16 or max(size) > 4096:
            raise BadInputError(f"a frame must be between 16x16 and 4096x4096; got {size[0]}x{size[1]}")
        self.size = size
        self._env = _make_env(size)
        self._track: Track | None = None
        self._place = 0

    @property
    def track(self) -> Track:
        """The track of the newest `reset`; what a scripted driver may look at."""
        if self._track is None:
            raise BadInputError("the game has no track yet; call reset(seed) first")
        return self._track

    def reset(self, seed: int) -> Pixels:
        """A new track, the car at rest somewhere on it. `seed` is any whole number from 0."""
        if seed < 0:
            raise BadInputError(f"a seed must be 0 or more; got {seed}")
        # A fresh physics world per play: contacts kept from the last one would change the order of forces.
        self._env = _make_env(self.size)
        self._env.start(seed)
        track = np.array([row[1:4] for row in self._env.track])
        self._track = Track(track[:, 1:3].copy(), track[:, 0].copy())
        self._place = 0
        return self._env.draw()

    def step(self, action: ActionVector) -> tuple[Pixels, float, bool, bool]:
        """Two physics steps under one action; terminated = the car left the playfield."""
        vector = self.controls.validate(action)
        if self._track is None:
            raise BadInputError("the game has not started; call reset(seed) before step(action)")
        total = 0.0
        for _ in range(STEPS_PER_TICK):
            reward, terminated = self._env.advance(vector)
            total += reward
            if terminated:
                break
        return self._env.draw(), total, terminated, False

    def state(self) -> Mapping[str, float]:
        """Units and radians of the game. `on_track` counts wheels on the road (0…4); `wheel_angle` and
        `lateral_offset` are positive to the left; `slip_angle` is from heading to velocity (0 below 3 units/s)."""
        hull, wheels = self._env.car.hull, self._env.car.wheels
        x, y = (float(v) for v in hull.position)
        vx, vy = (float(v) for v in hull.linearVelocity)
        speed, heading = math.hypot(vx, vy), float(hull.angle)
        place = self.track.locate(x, y, self._place)
        self._place = place.index
        slip = math.remainder(math.atan2(-vx, vy) - heading, 2 * math.pi) if speed > 3.0 else 0.0
        return {
            "speed": speed, "x": x, "y": y, "vx": vx, "vy": vy, "heading": heading,
            "yaw_rate": float(hull.angularVelocity), "wheel_angle": float(wheels[0].joint.angle),
            "slip_angle": slip, "on_track": float(sum(bool(wheel.tiles) for wheel in wheels)),
            "lateral_offset": place.offset, "track_index": float(place.index),
            "heading_error": math.remainder(heading - self.track.directions[place.index], 2 * math.pi),
            "curvature_ahead": self.track.mean_curvature(place.index, LOOK_NEAR, LOOK_FAR),
            "score": float(self._env.reward),
        }  # fmt: skip

    def close(self) -> None:
        self._env.close()  # type: ignore[no-untyped-call]


def _make_env(size: tuple[int, int]) -> RacingEnv:
    # SDL reads the variable when pygame draws for the first time; a recording needs no window.
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        from gymnasium.error import DependencyNotInstalled

        from dreamcade.games.racing_env import RacingEnv
    except ImportError as error:
        raise MissingExtraError(CAR_RACING, "games") from error
    try:
        return RacingEnv(*size)
    except DependencyNotInstalled as error:  # Gymnasium without Box2D or pygame
        raise MissingExtraError(CAR_RACING, "games") from error
