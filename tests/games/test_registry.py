from __future__ import annotations

import pytest

from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.games.base import Game
from dreamcade.games.registry import game_names, make_driver, make_game


@pytest.mark.parametrize("name", game_names())
def test_every_name_makes_a_game_that_keeps_the_contract(name: str) -> None:
    game: Game = make_game(name, (72, 48))
    frame = game.reset(0)
    assert game.name == name
    assert game.size == (72, 48)
    assert frame.shape == (48, 72, 3)
    names = set(game.state())
    frame, reward, terminated, truncated = game.step(game.controls.idle())
    assert set(game.state()) == names
    assert (type(reward), type(terminated), type(truncated)) == (float, bool, bool)
    assert game.tick_rate == 25
    assert game.licence
    game.close()


def test_unknown_games_get_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'gym:CarRacing-v3'"):
        make_game("gym:CarRacing-v2")
    with pytest.raises(UnknownNameError):
        make_game("pong")


def test_other_gymnasium_games_say_what_is_supported() -> None:
    with pytest.raises(BadInputError, match=r"no adapter yet.*gym:CarRacing-v3"):
        make_game("gym:LunarLander-v3")


def test_a_game_without_a_driver_is_refused() -> None:
    class Other:
        name = "other"

    with pytest.raises(BadInputError, match="no scripted driver"):
        make_driver(Other())  # type: ignore[arg-type]
