"""Games by name."""

from __future__ import annotations

from difflib import get_close_matches

from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.games.base import Driver, Game
from dreamcade.games.car_racing import CAR_RACING, CarRacingGame
from dreamcade.games.drivers.covering import CoveringDriver

GAMES = {CAR_RACING: CarRacingGame}


def game_names() -> tuple[str, ...]:
    """Every name that `make_game` takes."""
    return tuple(sorted(GAMES))


def make_game(name: str, size: tuple[int, int] = (720, 480)) -> Game:
    """The game called `name`, with frames of `size` (width, height).

    Raises `UnknownNameError` for a name that is no game here, `MissingExtraError` where its package is absent.
    """
    if name not in GAMES:
        if name.startswith("gym:") and not get_close_matches(name, game_names(), n=1, cutoff=0.7):
            raise BadInputError(f"{name} has no adapter yet; games that can be recorded: {', '.join(game_names())}")
        raise UnknownNameError("game", name, game_names())
    return GAMES[name](size)


def make_driver(game: Game) -> Driver:
    """The scripted driver of `game`. Raises `BadInputError` for a game that has none."""
    if isinstance(game, CarRacingGame):
        return CoveringDriver(game)
    raise BadInputError(f"the game {game.name!r} has no scripted driver; those that have: {', '.join(game_names())}")
