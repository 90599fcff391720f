from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dreamcade.core.controls import Axis, Controls
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import Pixels
from dreamcade.evaluation.pilots.racing import RacingPilot, RacingPilotConfig

Act = Callable[..., dict[str, float]]

GRASS = np.full((480, 720, 3), (100, 202, 100), np.uint8)


@pytest.fixture
def act(racing_controls: Controls, road_picture: Callable[..., Pixels]) -> Act:
    def act_on(**options: float) -> dict[str, float]:
        pixels = road_picture(height=480, width=720, **options)
        return racing_controls.decode(RacingPilot(racing_controls).act(pixels))

    return act_on


def test_goes_straight_on_a_straight_road(act: Act) -> None:
    action = act()
    assert abs(action["steer"]) < 0.02
    assert action["gas"] > 0
    assert action["brake"] == 0


@pytest.mark.parametrize("lean", [-0.4, 0.4])
def test_steers_where_the_road_goes(act: Act, lean: float) -> None:
    assert act(lean=lean)["steer"] * lean > 0.05


def test_brakes_when_fast(racing_controls: Controls, road_picture: Callable[..., Pixels]) -> None:
    picture = road_picture(height=480, width=720)
    picture[438:468, 90:108] = 255
    action = racing_controls.decode(RacingPilot(racing_controls).act(picture))
    assert action["gas"] == 0
    assert action["brake"] > 0


def test_lost_after_so_many_frames_in_a_row(racing_controls: Controls, road_picture: Callable[..., Pixels]) -> None:
    pilot = RacingPilot(racing_controls, RacingPilotConfig(lost_frames=5))
    road = road_picture(height=480, width=720)
    for _ in range(4):
        pilot.act(GRASS)
    pilot.act(road)
    assert pilot.frames_without_road == 0
    for i in range(5):
        assert not pilot.lost, i
        pilot.act(GRASS)
    assert pilot.lost


def test_needs_its_controls() -> None:
    with pytest.raises(BadInputError, match="lacks brake, gas"):
        RacingPilot(Controls(axes=(Axis("steer"),)))
