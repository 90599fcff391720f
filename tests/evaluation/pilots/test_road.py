from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from dreamcade.core.errors import BadInputError
from dreamcade.core.types import Pixels
from dreamcade.evaluation.pilots.road import read_speed, road_ahead, road_below, road_mask, trace_road

Draw = Callable[..., Pixels]


@pytest.fixture
def big(road_picture: Draw) -> Draw:
    return partial(road_picture, height=480, width=720)


def test_straight_road_is_seen(big: Draw) -> None:
    mask = road_mask(big())
    assert road_ahead(mask) == pytest.approx(0.44, abs=0.02)
    assert road_below(mask) > 0.8


def test_grass_and_black_are_no_road() -> None:
    for colour in ((100, 202, 100), (100, 228, 100), (0, 0, 0), (255, 0, 0), (255, 255, 255)):
        mask = road_mask(np.full((480, 720, 3), colour, np.uint8))
        assert road_ahead(mask) == road_below(mask) == 0.0


def test_the_car_does_not_count(big: Draw) -> None:
    picture = big()
    picture[330:390, 335:385] = (204, 0, 0)
    assert road_below(road_mask(picture)) == road_below(road_mask(big()))


def test_trace_follows_a_leaning_road(big: Draw) -> None:
    trail = trace_road(road_mask(big(lean=0.5)))
    far = trail[np.abs(trail[:, 0] - 0.35).argmin()]
    assert far[1] == pytest.approx(0.7, abs=0.02)


def test_trace_ignores_a_neighbouring_road(big: Draw) -> None:
    picture = np.maximum(big(), 0)
    picture[:400, 600:700] = (102, 102, 102)
    assert trace_road(road_mask(picture))[:, 1] == pytest.approx(0.5, abs=0.01)


def test_trace_of_nothing_is_empty() -> None:
    assert trace_road(np.zeros((120, 180), np.bool_)).shape == (0, 2)


def test_speed_bar_survives_smearing(big: Draw) -> None:
    picture = big()
    picture[456:468, 90:108] = 255  # a bar of one panel unit: 50 a second
    assert read_speed(picture) == pytest.approx(50, rel=0.05)
    picture[450:474, 90:108] = 127
    picture[468:474, 90:108] = 127
    assert read_speed(picture) == pytest.approx(37, rel=0.1)


def test_refuses_what_is_no_frame() -> None:
    with pytest.raises(BadInputError, match="uint8"):
        road_mask(np.zeros((480, 720, 3), np.float32))  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match="64x64"):
        road_mask(np.zeros((32, 48, 3), np.uint8))
