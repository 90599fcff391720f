from __future__ import annotations

import math

import numpy as np
import pytest

from dreamcade.games.drivers.following import GRASS_SPEED, MAX_WHEEL_ANGLE, Goal, follow, sliding
from dreamcade.games.track import Track

POINTS = np.stack([np.zeros(200), np.arange(200) * 3.5], axis=1)
STRAIGHT = Track(POINTS, np.zeros(200))


def state(**changes: float) -> dict[str, float]:
    at_rest = {
        "x": 0.0, "y": 35.0, "heading": 0.0, "speed": 30.0, "track_index": 10.0, "lateral_offset": 0.0,
        "on_track": 4.0, "slip_angle": 0.0, "yaw_rate": 0.0,
    }  # fmt: skip
    return {**at_rest, **changes}


def test_on_the_line_it_goes_straight_at_the_goal_speed() -> None:
    intent = follow(STRAIGHT, state(), Goal(40.0))
    assert intent.wheel_angle == pytest.approx(0.0, abs=1e-6)
    assert intent.speed == pytest.approx(40.0)


@pytest.mark.parametrize("offset", [-4.0, 4.0])
def test_it_steers_towards_the_goal_offset(offset: float) -> None:
    assert math.copysign(1, follow(STRAIGHT, state(), Goal(40.0, offset)).wheel_angle) == math.copysign(1, offset)


def test_facing_the_wrong_way_it_turns_hard_and_slowly() -> None:
    intent = follow(STRAIGHT, state(heading=3.0), Goal(60.0))
    assert abs(intent.wheel_angle) == pytest.approx(MAX_WHEEL_ANGLE)
    assert intent.speed < 15


def test_grass_slows_it_down() -> None:
    assert follow(STRAIGHT, state(on_track=0.0), Goal(60.0)).speed <= GRASS_SPEED


def test_rolling_backwards_is_not_sliding() -> None:
    assert sliding(state(slip_angle=0.8)) == pytest.approx(0.8)
    assert sliding(state(slip_angle=3.0)) == 0.0
    assert sliding(state(slip_angle=0.8, speed=4.0)) == 0.0
