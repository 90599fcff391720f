"""What a driver can see of the road in one picture: where it is grey, how much of it is there, how fast we go.

Everything here reads pixels only, real or dreamed, so that both are judged by the same eyes. Positions are
fractions of the frame (x from the left, y from the top), so that the frame size does not matter. The car stands at
(0.50, 0.75) and the black indicator panel covers everything below y = 0.875.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.errors import BadInputError
from dreamcade.core.types import Pixels

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in fractions of the frame."""

    left: float
    top: float
    right: float
    bottom: float

    def of(self, picture: NDArray[np.generic]) -> NDArray[np.generic]:
        """The part of `[H, W, ...]` inside the box, as a view."""
        height, width = picture.shape[:2]
        rows = slice(round(self.top * height), round(self.bottom * height))
        return picture[rows, round(self.left * width) : round(self.right * width)]


AHEAD = Box(0.25, 0.25, 0.75, 0.60)
"""The road ahead: half of the width, in front of the car's nose. A straight road fills 43 % of it."""
BELOW = Box(0.38, 0.60, 0.62, 0.86)
"""The ground around the car, above the panel; `CAR` is left out of it. A road under the car fills about 80 %."""
CAR = Box(0.46, 0.67, 0.54, 0.82)
SPEED_BAR = Box(0.129, 0.875, 0.146, 0.975)
"""The white bar of the panel; it is as high as the car is fast."""

_STRIDE = 4
_GREY_LEVELS = (70, 145)
_GREY_CHROMA = 26
_FULL_BAR_SPEED = 200.0


def road_mask(pixels: Pixels) -> Mask:
    """uint8 `[H, W, 3]` → bool `[H/4, W/4]`, true where the picture is asphalt grey (all channels alike, mid-bright).

    Raises `BadInputError` for anything but a colour picture of at least 64×64.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or min(pixels.shape[:2]) < 64:
        raise BadInputError(f"a frame must be uint8 [H, W, 3], 64x64 or more; got {pixels.dtype} {list(pixels.shape)}")
    sampled = pixels[_STRIDE // 2 :: _STRIDE, _STRIDE // 2 :: _STRIDE]
    high, low = sampled.max(2), sampled.min(2)
    grey: Mask = (high - low < _GREY_CHROMA) & (low > _GREY_LEVELS[0]) & (high < _GREY_LEVELS[1])
    return grey


def road_ahead(mask: Mask) -> float:
    """Share of `AHEAD` that is road, 0…1."""
    return float(AHEAD.of(mask).mean())


def road_below(mask: Mask) -> float:
    """Share of `BELOW`, without the car, that is road, 0…1."""
    around, car = BELOW.of(mask), CAR.of(mask)
    return float(around.sum() - car.sum()) / (around.size - car.size)


def read_speed(pixels: Pixels) -> float:
    """The panel's speed bar in the game's units a second (0…200).

    The bar's mean brightness rather than its edge: a codec that smears it keeps its sum.
    """
    return float(SPEED_BAR.of(pixels).mean()) / 255 * _FULL_BAR_SPEED


def trace_road(mask: Mask, bottom: float = 0.66, top: float = 0.20, reach: float = 0.17) -> NDArray[np.float64]:
    """Follows the road from the car's nose upwards, row by row.

    Each row's centre is the centroid of grey within `reach` (a fraction of the width) of the centre below it, so a
    neighbouring stretch of track does not pull. Returns `[rows, 2]` of (y, x) fractions, nearest row first; it ends
    where no grey is in reach.
    """
    height, width = mask.shape
    columns = (np.arange(width) + 0.5) / width
    centre, trail = 0.5, []
    for row in range(round(bottom * height) - 1, round(top * height) - 1, -1):
        near = mask[row] & (np.abs(columns - centre) < reach)
        if near.sum() < 3:
            break
        centre = float(columns[near].mean())
        trail.append(((row + 0.5) / height, centre))
    return np.array(trail, np.float64).reshape(-1, 2)


def kerbs_in(pixels: Pixels) -> float:
    """Share of the picture above the panel that is the red of kerbs; the car, which is red too, is left out."""
    height, width = pixels.shape[:2]
    red = (pixels[..., 0] > 150) & (pixels[..., 1] < 90) & (pixels[..., 2] < 90)
    red[round(CAR.top * height) - 4 : round(CAR.bottom * height) + 4, round(0.44 * width) : round(0.56 * width)] = False
    return float(red[: round(BELOW.bottom * height)].mean())
