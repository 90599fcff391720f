"""The scripted driver: mostly good driving, broken up by upsets, so that a recording covers the whole game."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector
from dreamcade.games.car_racing import CarRacingGame
from dreamcade.games.drivers.styles import GOOD, UPSETS, Seat, Style

UPSET_CHANCE = 0.75
"""After a stretch of good driving comes an upset, with this chance."""
WRONG_WAY_END = 0.5
"""After each stretch of driving the wrong way round, the chance to turn back."""


class CoveringDriver:
    """Drives CarRacing. Everything it does follows from the seed of `reset` and the states it is given."""

    def __init__(self, game: CarRacingGame) -> None:
        self._game = game
        self._seat: Seat | None = None
        self._moves: Iterator[ActionVector] = iter(())
        self._style = ""

    @property
    def style(self) -> str:
        return self._style

    def reset(self, seed: int) -> None:
        """Starts over on the game's current track."""
        self._seat = Seat(self._game.track, np.random.default_rng([seed, 0xD1]))
        self._moves = iter(())
        self._style = ""

    def act(self, state: Mapping[str, float]) -> ActionVector:
        """The next action, float32 `[3]`."""
        if self._seat is None:
            raise BadInputError("the driver has not started; call reset(seed) before act(state)")
        self._seat.state = state
        while (move := next(self._moves, None)) is None:
            style = self._choose(self._seat)
            self._style = style.__name__
            self._moves = style(self._seat)
        return move

    def _choose(self, seat: Seat) -> Style:
        if seat.way == -1 and seat.rng.random() < WRONG_WAY_END:
            return next(style for style in UPSETS if style.__name__ == "u_turn")
        steady = abs(seat.state["slip_angle"]) < 0.4 and abs(seat.state["lateral_offset"]) < 8.0
        was_good = self._style in {style.__name__ for style in GOOD}
        upset = was_good and steady and seat.rng.random() < UPSET_CHANCE
        table = UPSETS if upset else GOOD
        weights = np.array(list(table.values()))
        return list(table)[int(seat.rng.choice(len(table), p=weights / weights.sum()))]
