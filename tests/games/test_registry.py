from __future__ import annotations

import numpy as np
import pytest

from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.games.base import Game
from dreamcade.games.doom.game import DoomGame
from dreamcade.games.drivers.wandering import WanderingDriver
from dreamcade.games.procgen.environment import is_installed
from dreamcade.games.recorder import play
from dreamcade.games.registry import game_names, make_driver, make_game

NAMES = (
    "gym:CarRacing-v3", "procgen:coinrun", "procgen:starpilot", "vizdoom:freedoom2/map01", "gym:LunarLander-v3",
    "gym:BipedalWalker-v3", "gym:ALE/Breakout-v5",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_game_keeps_the_contract(name: str) -> None:
    if name.startswith("procgen:") and not is_installed():
        pytest.skip("Procgen is not installed")
    game: Game = make_game(name, (96, 64))
    frame = game.reset(0)
    assert game.name == name
    assert game.size == (96, 64)
    assert (frame.shape, frame.dtype) == ((64, 96, 3), np.uint8)
    names = set(game.state())
    frame, reward, terminated, truncated = game.step(game.controls.idle())
    assert set(game.state()) == names
    assert (type(reward), type(terminated), type(truncated)) == (float, bool, bool)
    assert 10 <= game.tick_rate <= 60
    assert game.licence
    with pytest.raises(BadInputError, match="shape"):
        game.step(np.zeros(99, np.float32))
    with pytest.raises(BadInputError, match="seed"):
        game.reset(-1)
    game.close()


@pytest.mark.parametrize("name", [n for n in NAMES if n != "procgen:coinrun"])
def test_the_same_seed_is_the_same_play(name: str) -> None:
    if name.startswith("procgen:") and not is_installed():
        pytest.skip("Procgen is not installed")
    plays = []
    for _ in range(2):
        game = make_game(name, (96, 64))
        plays.append(list(play(game, make_driver(game), 5, 12)))
        game.close()
    for first, second in zip(*plays, strict=True):
        np.testing.assert_array_equal(first.frame, second.frame)
        np.testing.assert_array_equal(first.action, second.action)
        assert first.columns == second.columns


def test_what_has_no_adapter_of_its_own_is_listed_by_none() -> None:
    assert "gym:CarRacing-v3" in game_names()
    assert "gym:LunarLander-v3" not in game_names()


def test_unknown_games_get_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'procgen:coinrun'"):
        make_game("procgen:coinrum")
    with pytest.raises(BadInputError, match="no environment of Gymnasium here"):
        make_game("gym:NoSuchGame-v0")


def test_a_game_without_a_driver_of_its_own_is_wandered_through() -> None:
    game = make_game("gym:LunarLander-v3")
    assert isinstance(make_driver(game), WanderingDriver)
    game.close()


@pytest.mark.parametrize(
    ("name", "wanted"), [("gym:ALE/Breakout-v5", 3), ("procgen:maze", 8), ("procgen:starpilot", 14)]
)
def test_the_driver_of_such_a_game_knows_what_has_an_effect_there(name: str, wanted: int) -> None:
    if name.startswith("procgen:") and not is_installed():
        pytest.skip("Procgen is not installed")
    game = make_game(name, (96, 64))
    driver = make_driver(game)
    driver.reset(0)
    drawn = {tuple(driver.act({})) for _ in range(6000)}
    game.close()
    assert len(drawn) == wanted + 1, "and the rest"


def test_a_map_that_is_not_there_is_one_clear_error() -> None:
    with pytest.raises(BadInputError, match="between 16x16"):
        DoomGame("vizdoom:freedoom2/map01", (8, 8))
