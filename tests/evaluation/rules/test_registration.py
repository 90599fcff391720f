from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dreamcade.core.types import Pixels
from dreamcade.evaluation.rules.registration import scene_turn


def scene() -> Image.Image:
    """A window of 1250×1000 with the car's place at its pivot, larger than the view so that turns bring in more."""
    rng = np.random.default_rng(0)
    picture = np.full((2000, 2500, 3), (100, 202, 100), np.uint8)
    for _ in range(60):
        y, x = rng.integers(0, 1800), rng.integers(0, 2300)
        picture[y : y + 150, x : x + 150] = (100, 228, 100)
    picture[:, 1100:1400] = (102, 102, 102)
    return Image.fromarray(picture)


def view(clockwise: float) -> Pixels:
    """What the camera shows: the scene turned about the car, cut to the window, stretched to 720×480."""
    centre = (1250, 1000)
    turned = scene().rotate(-clockwise, Image.Resampling.BILINEAR, center=centre)
    window = turned.crop((centre[0] - 625, centre[1] - 750, centre[0] + 625, centre[1] + 250))
    return np.asarray(window.resize((720, 480), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("degrees", [-45, -12, -3, 0, 3, 12, 45])
def test_finds_the_turn(degrees: float) -> None:
    assert scene_turn(view(0), view(degrees)) == pytest.approx(degrees, abs=1.6)


def test_nothing_to_see_is_no_turn() -> None:
    grass = np.full((480, 720, 3), (100, 202, 100), np.uint8)
    assert scene_turn(grass, grass) == 0.0
