"""A driver for any game: keys pressed without any plan, but as hands do it, held for a while."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dreamcade.core.controls import Controls
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector, Pixels

FAVOURITE_CHANCE = 0.5
"""How often a hold repeats the settings that the last minute liked, so that a play gets somewhere."""


class WanderingDriver:
    """Holds random settings of the controls for 0.1 to 1 seconds each; sometimes rests, sometimes taps."""

    LONGEST, REST_CHANCE, BUTTON_CHANCE = 30, 0.15, 0.3

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
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
        self._left = int(rng.integers(2, self.LONGEST) if rng.random() < 0.7 else rng.integers(1, 4))
        if rng.random() < 0.08:
            self._favourite = self._draw(rng)
        if rng.random() < self.REST_CHANCE:
            self._held = self._controls.idle()
        else:
            self._held = self._favourite if rng.random() < FAVOURITE_CHANCE else self._draw(rng)

    def _draw(self, rng: np.random.Generator) -> ActionVector:
        """Axes at an end, at rest or anywhere between; each button down now and then."""
        vector = self._controls.idle()
        for i, axis in enumerate(self._controls.axes):
            ends = (axis.low, 0.0, axis.high, float(rng.uniform(axis.low, axis.high)))
            vector[i] = ends[int(rng.choice(4, p=(0.3, 0.25, 0.3, 0.15)))]
        first = len(self._controls.axes)
        vector[first:] = rng.random(len(self._controls.buttons)) < self.BUTTON_CHANCE
        return vector
