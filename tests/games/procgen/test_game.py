from __future__ import annotations

import numpy as np
import pytest

from dreamcade.core.errors import GameError
from dreamcade.games.procgen import coinrun as layout
from dreamcade.games.procgen.game import CoinRunGame, procgen_action

REST, RIGHT, JUMP = (np.array(keys, np.float32) for keys in ([0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]))


def settle(game: CoinRunGame) -> None:
    for _ in range(4):
        game.step(REST)


def test_buttons_become_procgens_fifteen_actions() -> None:
    def number(*down: int) -> int:
        return procgen_action(np.isin(np.arange(10), down).astype(np.float32))

    left, right, up, down = range(4)
    assert [number(left, down), number(left), number(left, up)] == [0, 1, 2]
    assert [number(down), number(), number(up)] == [3, 4, 5]
    assert [number(right, down), number(right), number(right, up)] == [6, 7, 8]
    assert number(left, right) == number(up, down) == number()
    assert [number(4), number(9)] == [9, 14]


def test_running_and_jumping_move_the_player_as_the_physics_say(coinrun: CoinRunGame) -> None:
    coinrun.reset(3)
    settle(coinrun)
    ground = coinrun.state()["y"]
    assert coinrun.state()["supported"] == 1.0
    assert coinrun.state()["height"] == pytest.approx(0, abs=0.01)
    coinrun.step(JUMP)
    highest = ground
    for _ in range(16):
        highest = max(highest, coinrun.state()["y"])
        coinrun.step(REST)
    apex = layout.JUMP_SPEED**2 / (2 * layout.GRAVITY)
    assert highest - ground == pytest.approx(apex, rel=0.15)
    before = coinrun.state()["x"]
    coinrun.step(RIGHT)
    assert coinrun.state()["x"] > before


def test_walls_stop_the_player(coinrun: CoinRunGame) -> None:
    coinrun.reset(3)
    settle(coinrun)
    left = np.array([1, 0, 0, 0], np.float32)
    for _ in range(20):
        coinrun.step(left)
    view = coinrun.view
    assert view.x == pytest.approx(1 + layout.HALF_WIDTH, abs=0.02)
    assert view.solid(view.x - 0.6, view.y)
    assert not view.solid(view.x, view.y)


def test_a_saved_state_goes_on_where_it_was(coinrun: CoinRunGame) -> None:
    coinrun.reset(5)
    for _ in range(6):
        coinrun.step(RIGHT)
    level, saved, there = int(coinrun.state()["level"]), coinrun.saved, coinrun.state()["x"]
    onward = [coinrun.step(RIGHT)[0] for _ in range(5)]
    coinrun.reset(0)
    coinrun.place(level, saved)
    assert coinrun.state()["x"] == there
    for frame in onward:
        np.testing.assert_array_equal(coinrun.step(RIGHT)[0], frame)


def test_who_reaches_the_coin_goes_on_to_the_next_level(coinrun: CoinRunGame) -> None:
    from dreamcade.games.drivers.platforming import explore
    from dreamcade.games.procgen.coinrun import LEVELS, parse_state

    coinrun.reset(0)
    level = int(coinrun.state()["level"])
    places = explore(coinrun.process, level, 4000)
    goal = coinrun.state()["goal_x"]
    near = max(places, key=lambda state: parse_state(state).x)
    assert parse_state(near).x > goal - 3, "exploring finds the coin"
    coinrun.place(level, near)
    for _ in range(60):
        _, reward, _, _ = coinrun.step(np.array([0, 1, np.random.default_rng(0).random() < 0.5, 0], np.float32))
        if coinrun.state()["won"] or coinrun.state()["lost"]:
            break
    following = LEVELS[(LEVELS.index(level) + 1) % len(LEVELS)]
    if coinrun.state()["won"]:
        assert reward == 10.0
        assert coinrun.state()["level"] == following
    else:
        assert coinrun.state()["level"] == level
    assert coinrun.state()["x"] == pytest.approx(1.5)


def test_a_process_that_dies_is_one_clear_error(coinrun: CoinRunGame) -> None:
    coinrun.reset(0)
    coinrun.process._process.kill()
    coinrun.process._process.wait()
    with pytest.raises(GameError, match="process ended"):
        coinrun.step(RIGHT)
