from __future__ import annotations

import numpy as np
import pytest

from dreamcade.core.controls import Axis, Button, Controls
from dreamcade.games.drivers.wandering import WanderingDriver


def hands_of(controls: Controls, tick_rate: float, seed: int, ticks: int = 2000) -> np.ndarray:
    driver = WanderingDriver(controls, tick_rate)
    driver.reset(seed)
    return np.stack([driver.act({}).copy() for _ in range(ticks)])


def keys(count: int) -> Controls:
    return Controls(buttons=tuple(Button(f"b{i}", (f"Digit{i}",)) for i in range(count)))


@pytest.mark.parametrize("count", [1, 3, 8])
def test_it_seldom_rests_and_uses_every_button(count: int) -> None:
    for seed in range(5):
        pressed = hands_of(keys(count), 15, seed) > 0.5
        assert 0.02 < (~pressed.any(1)).mean() < 0.25
        assert (pressed.mean(0) > 0.1).all()
        assert count == 1 or (pressed.mean(0) < 0.8).all()


def test_axes_reach_their_ends_and_rest() -> None:
    values = hands_of(Controls(axes=(Axis("a", -1, 1, ("KeyA",), ("KeyD",)), Axis("b", 0, 1, (), ("KeyW",)))), 30, 0)
    for column, low in zip(values.T, (-1.0, 0.0), strict=True):
        for end in (low, 0.0, 1.0):
            assert (column == end).mean() > 0.08
        assert ((column != low) & (column != 0) & (column != 1)).mean() > 0.03


@pytest.mark.parametrize("tick_rate", [6, 15, 60])
def test_holds_last_as_long_in_a_slow_game_as_in_a_fast_one(tick_rate: float) -> None:
    actions = hands_of(keys(3), tick_rate, 0, 6000)
    changes = np.flatnonzero((actions[1:] != actions[:-1]).any(1))
    assert 0.2 < np.diff(changes).mean() / tick_rate < 0.9
