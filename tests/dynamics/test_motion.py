"""Motions: measured as they were applied."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dreamcade.dynamics.motion import FINE, TERMS, Grid, MotionMeter

ROWS, COLUMNS = 6, 7


def scenes(count: int, seed: int = 0) -> Tensor:
    """Grey pictures `[count, 1, h, w]` with things of all sizes, larger than the part that is looked at."""
    generator = torch.Generator().manual_seed(seed)
    size = (2 * ROWS * FINE, 2 * COLUMNS * FINE)
    layers = [torch.randn(count, 1, s, s, generator=generator) * s**-0.5 for s in (4, 9, 20, 45)]
    return sum(F.interpolate(x, size, mode="bicubic") for x in layers)  # type: ignore[return-value]


def seen(scene: Tensor, right: int, down: int) -> Tensor:
    """The middle of a scene that has slid by whole points."""
    top, left = ROWS * FINE // 2 - down, COLUMNS * FINE // 2 - right
    return scene[:, :, top : top + ROWS * FINE, left : left + COLUMNS * FINE]


@given(right=st.integers(-7, 7), down=st.integers(-7, 7))
@settings(max_examples=15, deadline=None)
def test_slides_of_nearly_a_cell_are_measured(right: int, down: int) -> None:
    scene, weight = scenes(3), torch.ones(1, 1, ROWS * FINE, COLUMNS * FINE)
    motions = MotionMeter(ROWS, COLUMNS)(seen(scene, right, down), seen(scene, 0, 0), weight)
    assert motions.shape == (3, 2, TERMS)
    torch.testing.assert_close(motions[:, 0, 0] * FINE, torch.full((3,), float(right)), atol=0.35, rtol=0)
    torch.testing.assert_close(motions[:, 1, 0] * FINE, torch.full((3,), float(down)), atol=0.35, rtol=0)


@pytest.mark.parametrize("name", ["zoom", "turn"])
def test_a_zoom_and_a_turn_are_measured(name: str) -> None:
    applied = torch.zeros(3, 2, TERMS)
    if name == "zoom":
        applied[:, 0, 1], applied[:, 1, 2] = 0.3, 0.3
    else:
        applied[:, 0, 2], applied[:, 1, 1] = -0.3, 0.3
    before, weight = seen(scenes(3), 0, 0), torch.ones(1, 1, ROWS * FINE, COLUMNS * FINE)
    grid = Grid(ROWS, COLUMNS, FINE)
    now = grid.move(before, applied)
    measured = MotionMeter(ROWS, COLUMNS)(now, before, weight)
    left = (grid.move(before, measured) - now).square().mean()
    assert left < 0.05 * (before - now).square().mean()
    torch.testing.assert_close(measured, applied, atol=0.12, rtol=0)


def test_what_does_not_count_does_not_disturb() -> None:
    scene = scenes(2)
    before, now = seen(scene, 0, 0).clone(), seen(scene, 5, -3).clone()
    weight = torch.ones(1, 1, ROWS * FINE, COLUMNS * FINE)
    weight[..., 12:36, 14:42] = 0
    before[..., 12:36, 14:42] = now[..., 12:36, 14:42] = 2.0  # something large that always stands still
    slid = torch.tensor([[5.0, -3.0]] * 2)
    meter = MotionMeter(ROWS, COLUMNS)
    torch.testing.assert_close(meter(now, before, weight)[:, :, 0] * FINE, slid, atol=1.2, rtol=0)
    assert (meter(now, before, torch.ones_like(weight))[:, :, 0] * FINE - slid).abs().amax() > 2


def test_of_an_empty_picture_nothing_moves() -> None:
    empty = torch.full((2, 1, ROWS * FINE, COLUMNS * FINE), 0.3)
    motions = MotionMeter(ROWS, COLUMNS)(empty, empty, torch.ones_like(empty[:1]))
    assert motions.abs().max() < 1e-6
