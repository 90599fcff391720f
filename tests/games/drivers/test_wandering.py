from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from dreamcade.core.controls import Axis, Button, Controls
from dreamcade.games.action_map import numbered
from dreamcade.games.base import Choices
from dreamcade.games.drivers.wandering import WanderingDriver
from dreamcade.games.procgen.game import MOVES, SPECIALS, procgen_action, procgen_choices


def hands_of(
    controls: Controls, tick_rate: float, seed: int, ticks: int = 2000, choices: Choices | None = None
) -> np.ndarray:
    driver = WanderingDriver(controls, tick_rate, choices)
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


def shares_of(to_action: Callable[[np.ndarray], int], controls: Controls, choices: Choices | None) -> dict[int, float]:
    """How often each action reaches the game."""
    plays = [hands_of(controls, 15, seed, 4000, choices) for seed in range(6)]
    counts = Counter(to_action(action) for play in plays for action in play)
    return {number: count / counts.total() for number, count in counts.items()}


@pytest.mark.parametrize(("count", "names"), [(4, ["NOOP", "FIRE", "RIGHT", "LEFT"]), (10, None), (2, None)])
def test_every_numbered_action_reaches_the_game(count: int, names: list[str] | None) -> None:
    to_action = numbered(count, names, {})
    shares = shares_of(to_action, to_action.controls, to_action.choices)
    assert len(shares) == count
    assert min(shares.values()) > 0.04
    assert max(shares.values()) < 1.7 / count


@pytest.mark.parametrize("specials", [0, 1, 6], ids=["maze", "bossfight", "starpilot"])
def test_procgens_players_move_and_seldom_stand(specials: int) -> None:
    controls = Controls(buttons=(*MOVES, *SPECIALS[:specials]))
    shares = shares_of(procgen_action, controls, procgen_choices(controls))
    moves = [shares[number] for number in range(9) if number != 4]
    assert sum(moves) > 0.6
    assert min(moves) > 0.04
    assert 0.02 < shares[4] < 0.2
    used = [shares.get(9 + special, 0.0) for special in range(6)]
    assert all(used[:specials]) and not any(used[specials:])
    assert sum(used) < 0.2 and (not specials or sum(used) > 0.04)


def test_what_a_game_offers_is_drawn_and_never_a_rest() -> None:
    controls = keys(3)
    only = Choices(np.array([[1, 0, 1], [0, 1, 0]], np.float32), np.array([0.5, 0.5]))
    drawn = {tuple(action) for action in hands_of(controls, 15, 0, choices=only)}
    assert drawn == {(0.0, 0.0, 0.0), (1.0, 0.0, 1.0), (0.0, 1.0, 0.0)}
    driver = WanderingDriver(controls, 15, only)
    assert all(driver._draw(np.random.default_rng(seed)).any() for seed in range(50))
