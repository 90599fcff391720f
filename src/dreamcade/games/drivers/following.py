"""Following a track: which way to point the wheels, and how fast to go (pure pursuit, Coulter 1992)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dreamcade.games.track import Track

WHEELBASE = 3.24
"""Front to rear axle of the car, game units."""
MAX_WHEEL_ANGLE = 0.4
"""The steering joint's limit in radians; a steering action of 0.4 already asks for all of it."""
GRASS_SPEED = 38.0
"""Above this a turn on grass becomes a spin."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What the driver is trying to do: speed (units/s), place across the road (left positive), way round (±1)."""

    speed: float
    offset: float = 0.0
    way: int = 1
    lookahead: float = 0.32
    """Seconds of travel to look ahead; large values cut corners."""
    grip: float = 70.0
    """Sideways acceleration (units/s²) it dares in a bend; the tyres hold about 200."""


@dataclass(frozen=True, slots=True)
class Intent:
    """Wanted wheel angle (radians, left positive), bearing of the point aimed at, and speed to hold."""

    wheel_angle: float
    bearing: float
    speed: float


def follow(track: Track, state: Mapping[str, float], goal: Goal) -> Intent:
    """The intent that brings the car of `state` onto `goal`."""
    index, speed = int(state["track_index"]), state["speed"]
    distance = 7.0 + goal.lookahead * speed + 0.35 * abs(state["lateral_offset"] - goal.offset)
    x, y = track.target(index, distance, goal.offset, goal.way)
    dx, dy = x - state["x"], y - state["y"]
    heading = state["heading"]
    forward = -dx * math.sin(heading) + dy * math.cos(heading)
    left = -dx * math.cos(heading) - dy * math.sin(heading)
    bearing = math.atan2(left, forward)
    curvature = 2.0 * left / max(dx * dx + dy * dy, 1.0)
    if abs(bearing) > math.pi / 2:
        curvature = math.copysign(1.0, left)
    angle = math.atan(WHEELBASE * curvature)
    wheel_angle = float(np.clip(angle, -MAX_WHEEL_ANGLE, MAX_WHEEL_ANGLE))
    return Intent(wheel_angle, bearing, _speed(track, state, goal, bearing))


def _speed(track: Track, state: Mapping[str, float], goal: Goal, bearing: float) -> float:
    """The goal's speed, less what the bends ahead, the surface and a wrong heading allow."""
    speed, index = state["speed"], int(state["track_index"])
    allowed = goal.speed
    braking = 60.0
    for near in range(0, 60, 10):
        sharpest = track.sharpest(index, near, near + 12, goal.way)
        corner = math.sqrt(goal.grip / max(sharpest, 1e-3))
        allowed = min(allowed, math.sqrt(corner * corner + 2 * braking * max(0.0, near - 6.0)))
    if state["on_track"] < 2:
        allowed = min(allowed, GRASS_SPEED)
    if abs(bearing) > 0.7:
        allowed = min(allowed, 26.0 if abs(bearing) < 1.2 else 14.0)
    if sliding(state) > 0.35 and speed > 12:
        allowed = min(allowed, 0.6 * speed)
    return allowed


def sliding(state: Mapping[str, float]) -> float:
    """How far the car moves sideways: the absolute slip angle, 0 when it rolls slowly or backwards."""
    slip = abs(state["slip_angle"])
    return slip if slip < 2.2 and state["speed"] > 8.0 else 0.0
