"""The pilot for first-person games: walks where there is room, turns away where there is none."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.controls import Controls
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.evaluation.pilots.base import Eyes
from dreamcade.evaluation.reading import Reader

NEAR = 96.0
"""Map units ahead under which it turns instead of walking on."""
TURN_TICKS = 6
PRESS_EVERY = 20
"""Ticks between tries to open what is ahead, while it is stuck."""


class WalkingPilot:
    """Walks on while it sees room ahead; else turns to the side that is more open, and now and then tries a door."""

    can_be_lost: ClassVar[bool] = False

    def __init__(self, controls: Controls, reader: Reader) -> None:
        self._controls = controls
        self._eyes = Eyes(reader)
        self._turning, self._side, self._blocked = 0, 1.0, 0
        self.path: list[tuple[float, float]] = []
        self.speeds: list[float] = []

    @property
    def lost(self) -> bool:
        return False

    def act(self, pixels: Pixels) -> ActionVector:
        seen = self._eyes.see(pixels)
        self.path.append((seen["x"], seen["y"]))
        self.speeds.append(seen["speed"])
        self._blocked = self._blocked + 1 if seen["ahead"] < NEAR else 0
        if self._turning:
            self._turning -= 1
            return self._controls.encode({"turn": self._side})
        if self._blocked:
            self._side = 1.0 if seen["ahead_right"] > seen["ahead_left"] else -1.0
            self._turning = TURN_TICKS
            return self._controls.encode({"turn": self._side, "use": self._blocked % PRESS_EVERY == 1})
        drift = np.clip((seen["ahead_right"] - seen["ahead_left"]) / 512, -0.4, 0.4)
        return self._controls.encode({"move": 1.0, "turn": float(drift)})

    def liveliness(self, actions: NDArray[np.float32], tick_rate: float) -> dict[str, float]:
        """`walked_per_minute` in map units (from the speeds that it sees), `area_seen`: how many places of 128 map
        units each way its path touches."""
        minutes = max(len(self.speeds) / tick_rate / 60, 1e-9)
        places = {(round(x / 128), round(y / 128)) for x, y in self.path}
        return {"walked_per_minute": float(np.sum(self.speeds)) * 2 / minutes, "area_seen": float(len(places))}
