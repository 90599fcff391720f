"""How far the scene has turned between two pictures: image registration about the car."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dreamcade.core.types import Pixels

CAR_AT = (0.5, 0.75)
"""The pivot, in fractions of the frame: the camera turns with the car."""
SCENE_ASPECT = 1.25
"""Width over height of the game's window; a frame of another shape shows it stretched, and turns must undo that."""
WIDEST = 75.0
"""A car with locked wheels turns 50 degrees in a third of a second."""
STEP = 1.5
_SIZE = (64, 96)
_PANEL_TOP = 0.86
_FURTHEST = 0.25
"""Rows above this show nothing that both pictures share once the car has moved on."""


def scene_turn(reference: Pixels, turned: Pixels) -> float:
    """Degrees by which the scene of `turned` is rotated clockwise against `reference`, −75…75.

    Both uint8 `[H, W, 3]`. Steering left turns the car, and with it the camera, to the left: the scene turns clockwise
    and the figure is positive. Found as the rotation of the reference about the car that differs least from the
    other picture; the car itself, the panel and what a rotation brings in from outside are left out.
    """
    first, second = _shrink(reference), _shrink(turned)
    angles = torch.arange(-WIDEST, WIDEST + STEP / 2, STEP)
    grids = _grids(angles)
    rotated = F.grid_sample(first.expand(len(angles), -1, -1, -1), grids, align_corners=False)
    inside = ((grids.abs() < 1).all(-1) & (grids[..., 1] < 2 * _PANEL_TOP - 1) & _visible()).float()
    error = ((rotated - second).abs().mean(1) * inside).sum((1, 2)) / inside.sum((1, 2))
    return float(angles[int(_peak(error))])


def _peak(error: Tensor) -> int:
    """The best angle; where several are equally good (nothing moves, nothing to see), the one nearest to none."""
    good = torch.nonzero(error <= error.min() + 1e-6).flatten()
    return int(good[(good - len(error) // 2).abs().argmin()])


def _shrink(pixels: Pixels) -> Tensor:
    picture = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255
    return F.interpolate(picture, _SIZE, mode="area")


def _positions() -> tuple[Tensor, Tensor]:
    height, width = _SIZE
    y = (torch.arange(height) + 0.5) / height
    x = (torch.arange(width) + 0.5) / width
    return y[:, None].expand(_SIZE), x[None].expand(_SIZE)


def _visible() -> Tensor:
    y, x = _positions()
    car = ((x - CAR_AT[0]).abs() < 0.05) & ((y - CAR_AT[1]).abs() < 0.09)
    return (y < _PANEL_TOP) & (y > _FURTHEST) & ~car


def _grids(angles: Tensor) -> Tensor:
    """Where each pixel of a picture rotated clockwise by `angles` comes from, `[N, h, w, 2]` in −1…1."""
    y, x = _positions()
    across, down = (x - CAR_AT[0]) * SCENE_ASPECT, y - CAR_AT[1]
    radians = (angles * math.pi / 180).view(-1, 1, 1)
    cos, sin = radians.cos(), radians.sin()
    # The inverse rotation: y points down, so clockwise by a takes (across, down) to (a·c − d·s, a·s + d·c).
    from_x = (across * cos + down * sin) / SCENE_ASPECT + CAR_AT[0]
    from_y = -across * sin + down * cos + CAR_AT[1]
    return torch.stack([from_x * 2 - 1, from_y * 2 - 1], -1)
