"""A driver for any game: keys pressed without any plan, but as hands do it, held for a while."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dreamcade.core.controls import Controls
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.games.base import Choices

REST_CHANCE, TAP_CHANCE = 0.1, 0.3
"""How often the hands rest, and how often they only tap."""
FAVOURITE_CHANCE, NEW_FAVOURITE = 0.3, 0.15
"""How often a hold repeats the settings that are liked at the moment, so that a play gets somewhere, and how often
others are liked from then on."""
LONGEST_HOLD = 1.0
"""Seconds."""
BUTTON_CHANCE = 0.3


class WanderingDriver:
    """Holds random settings of the controls for up to a second each; sometimes rests, sometimes taps.

    They are drawn from `choices` where the game tells them: of several keys at once a game may heed only one, and keys
    drawn one by one would then hide each other.
    """

    def __init__(self, controls: Controls, tick_rate: float, choices: Choices | None = None) -> None:
        self._controls, self._choices = controls, choices
        self._longest = max(4, round(LONGEST_HOLD * tick_rate))
        self._rng: np.random.Generator | None = None
        self._left = 0
        self._held = controls.idle()
        self._favourite = controls.idle()

    @property
    def style(self) -> str:
        return "wander"

    def reset(self, seed: int) -> Pixels | None:
        self._rng = np.random.default_rng([seed, 0xD3])
        self._left = 0
        self._favourite = self._draw(self._rng)
        return None

    def act(self, state: Mapping[str, float]) -> ActionVector:
        """The next action, float32 `[A]`."""
        if self._rng is None:
            raise BadInputError("the driver has not started; call reset(seed) before act(state)")
        if self._left == 0:
            self._hold(self._rng)
        self._left -= 1
        return self._held

    def _hold(self, rng: np.random.Generator) -> None:
        self._left = int(rng.integers(1, 4) if rng.random() < TAP_CHANCE else rng.integers(2, self._longest + 1))
        if rng.random() < NEW_FAVOURITE:
            self._favourite = self._draw(rng)
        if rng.random() < REST_CHANCE:
            self._held = self._controls.idle()
        else:
            self._held = self._favourite if rng.random() < FAVOURITE_CHANCE else self._draw(rng)

    def _draw(self, rng: np.random.Generator) -> ActionVector:
        """One of the game's choices; else axes at an end, at rest or anywhere between, and each button down now and
        then. Never all of them at rest."""
        if not self._controls.size:
            return self._controls.idle()
        if self._choices is not None:
            chosen: ActionVector = self._choices.actions[
                int(rng.choice(len(self._choices.shares), p=self._choices.shares))
            ]
            return chosen
        vector, first = self._controls.idle(), len(self._controls.axes)
        while np.array_equal(vector, self._controls.idle()):
            for i, axis in enumerate(self._controls.axes):
                ends = (axis.low, 0.0, axis.high, float(rng.uniform(axis.low, axis.high)))
                vector[i] = ends[int(rng.choice(4, p=(0.3, 0.25, 0.3, 0.15)))]
            vector[first:] = rng.random(len(self._controls.buttons)) < BUTTON_CHANCE
        return vector
