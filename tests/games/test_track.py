from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamcade.games.track import Track

RADIUS, COUNT = 50.0, 120


def circle() -> Track:
    """Driven counter-clockwise: always bending left."""
    angles = np.arange(COUNT) * 2 * math.pi / COUNT
    points = RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return Track(points, angles)


@given(st.integers(0, COUNT - 1), st.floats(-8, 8))
def test_locate_finds_index_and_offset(index: int, offset: float) -> None:
    track = circle()
    x, y = track.target(index, 0.0, offset)
    for near in (None, (index + 3) % COUNT):
        place = track.locate(x, y, near)
        assert place.index == index
        assert place.offset == pytest.approx(offset, abs=1e-6)


def test_left_is_positive_towards_the_inside_of_a_left_bend() -> None:
    place = circle().locate(RADIUS - 3.0, 0.0)
    assert place.offset == pytest.approx(3.0)


def test_curvature_of_a_circle_also_across_the_seam() -> None:
    track = circle()
    for index in (0, 40, COUNT - 1):
        assert track.mean_curvature(index, 0, 30) == pytest.approx(1 / RADIUS, rel=0.02)
        assert track.sharpest(index, 0, 30, way=-1) == pytest.approx(1 / RADIUS, rel=0.02)


def test_a_far_away_car_is_searched_on_the_whole_track() -> None:
    assert circle().locate(-RADIUS, 0.0, near=0).index == COUNT // 2


def test_target_behind_goes_the_other_way() -> None:
    track = circle()
    ahead, behind = track.target(0, 10.0, 0.0), track.target(0, 10.0, 0.0, way=-1)
    assert ahead[1] > 0 > behind[1]
