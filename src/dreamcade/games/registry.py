"""Games by name: `family:game`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.games.base import Driver, Game, TellsChoices
from dreamcade.games.car_racing import CAR_RACING, CarRacingGame
from dreamcade.games.doom.game import MAPS, DoomGame
from dreamcade.games.drivers.covering import CoveringDriver
from dreamcade.games.drivers.patrolling import PatrolDriver
from dreamcade.games.drivers.platforming import PlatformDriver
from dreamcade.games.drivers.wandering import WanderingDriver
from dreamcade.games.gymnasium_game import GymnasiumGame
from dreamcade.games.procgen.game import COINRUN, PROCGEN_NAMES, CoinRunGame, ProcgenGame

Size = tuple[int, int]
"""(width, height) of a frame."""


@dataclass(frozen=True, slots=True)
class Entry:
    """How a game is made, and the size of its frames unless one is asked for."""

    make: Callable[[str, Size], Game]
    size: Size


def _procgen() -> dict[str, Entry]:
    names = [f"procgen:{name}" for name in PROCGEN_NAMES]
    return {name: Entry(CoinRunGame if name == COINRUN else ProcgenGame, (256, 256)) for name in names}


GAMES: dict[str, Entry] = {
    CAR_RACING: Entry(lambda name, size: CarRacingGame(size), (720, 480)),
    **_procgen(),
    **{name: Entry(DoomGame, (320, 240)) for name in MAPS},
}


def game_names() -> tuple[str, ...]:
    """Every game that has an adapter of its own."""
    return tuple(sorted(GAMES))


def make_game(name: str, size: Size | None = None, controls_file: Path | None = None) -> Game:
    """The game called `name`, with frames of `size` (width, height), or of the game's own.

    Besides the names listed, `gym:ID` is any environment of Gymnasium that draws itself; there, `controls_file` may
    name the controls (see `action_map`). Raises `UnknownNameError` or `BadInputError` for a name that is no game here;
    `MissingExtraError` or `GameNotInstalledError` where what it runs on is absent.
    """
    if name in GAMES:
        if controls_file:
            raise BadInputError(f"{name} has controls of its own; leave the file of controls out")
        entry = GAMES[name]
        return entry.make(name, size or entry.size)
    # Another version of a game that has an adapter of its own is a slip, not a wish for another game.
    unversioned = {known.rpartition("-v")[0] for known in GAMES if known.startswith("gym:")}
    if not name.startswith("gym:") or name in unversioned or name.rpartition("-v")[0] in unversioned:
        raise UnknownNameError("game", name, game_names())
    return GymnasiumGame(name, size, controls_file)


def make_driver(game: Game) -> Driver:
    """What plays `game` by itself: a driver made for it, or one that presses keys at random."""
    if isinstance(game, CarRacingGame):
        return CoveringDriver(game)
    if isinstance(game, CoinRunGame):
        return PlatformDriver(game)
    if isinstance(game, DoomGame):
        return PatrolDriver(game)
    choices = game.choices if isinstance(game, TellsChoices) else None
    return WanderingDriver(game.controls, game.tick_rate, choices)
