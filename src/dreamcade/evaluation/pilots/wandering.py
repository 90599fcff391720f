"""The pilot for games that nobody has written one for: keys without a plan, and without a look at the picture."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.controls import Controls
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.games.drivers.wandering import WanderingDriver


class WanderingPilot:
    """Presses the keys of one `seed`, whatever is shown: so the same ones in the dream and in the real game."""

    can_be_lost: ClassVar[bool] = False

    def __init__(self, controls: Controls, tick_rate: float, seed: int) -> None:
        self._driver = WanderingDriver(controls, tick_rate)
        self._driver.reset(seed)

    @property
    def lost(self) -> bool:
        return False

    def act(self, pixels: Pixels) -> ActionVector:
        return self._driver.act({})

    def liveliness(self, actions: NDArray[np.float32], tick_rate: float) -> dict[str, float]:
        """Nothing: its keys say nothing of the world that they are played in."""
        return {}
