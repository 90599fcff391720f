"""The pilot for the platform game: to the right, and a jump before whatever it sees in the way."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.controls import Controls
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.evaluation.pilots.base import Eyes
from dreamcade.evaluation.reading import Reader

SURE = 0.5
STUCK_TICKS = 12
"""So long without getting anywhere, it takes a run-up."""
RUN_UP_TICKS = 8


class PlatformPilot:
    """Runs right; jumps where it sees a wall, a gap or something deadly; keeps its progress in cells."""

    can_be_lost: ClassVar[bool] = False

    def __init__(self, controls: Controls, reader: Reader) -> None:
        self._controls = controls
        self._eyes = Eyes(reader)
        self._slow, self._backing = 0, 0
        self.progress: list[float] = []
        self.levels: list[float] = []

    @property
    def lost(self) -> bool:
        return False

    def act(self, pixels: Pixels) -> ActionVector:
        seen = self._eyes.see(pixels)
        self.progress.append(seen["vx"])
        self.levels.append(seen.get("level", 0.0))
        self._slow = self._slow + 1 if abs(seen["vx"]) < 0.05 else 0
        if self._slow >= STUCK_TICKS:
            self._slow, self._backing = 0, RUN_UP_TICKS
        obstacle = max(seen["wall"], seen["gap"], seen["danger"]) > SURE
        jump = obstacle and seen["supported"] > SURE
        self._backing = max(0, self._backing - 1)
        left = self._backing > RUN_UP_TICKS // 2
        return self._controls.encode({"left": left, "right": not left, "up": jump or 0 < self._backing < 3})

    def liveliness(self, actions: NDArray[np.float32], tick_rate: float) -> dict[str, float]:
        """`progress_per_minute` in cells, `jumps_per_minute`, and `levels_seen`."""
        minutes = max(len(self.progress) / tick_rate / 60, 1e-9)
        up = actions[:, self._controls.names.index("up")] >= 0.5
        jumps = int((up[1:] & ~up[:-1]).sum()) if len(up) else 0
        return {
            "progress_per_minute": float(np.sum(self.progress)) / minutes,
            "jumps_per_minute": jumps / minutes,
            "levels_seen": float(len(np.unique(self.levels))),
        }
