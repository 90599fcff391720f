"""Does the world answer the wheel? Left, straight and right from the same start, told apart by registration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dreamcade.core.controls import Controls
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.evaluation.candidate import Candidate
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.rules.registration import scene_turn
from dreamcade.evaluation.windows import Window

TICKS = 8
SMALLEST_TURN = 1.0
"""Degrees that count as an answer."""
WHEEL = {"left": -1.0, "straight": 0.0, "right": 1.0}


@dataclass(frozen=True, slots=True)
class SteerTry:
    """Degrees that the scene turned clockwise under left and right, against straight, after `TICKS` ticks; the three
    last pictures, left to right, uint8 `[3, H, W, 3]`."""

    left: float
    right: float
    pictures: Pixels

    @property
    def answered(self) -> bool:
        """Both turned the scene the right way."""
        return self.left >= SMALLEST_TURN and self.right <= -SMALLEST_TURN


def steer_everywhere(
    candidate: Candidate, controls: Controls, windows: Sequence[Window], *, seed: int, what: str, progress: Progress
) -> list[SteerTry]:
    """Three plays with the same noise from every window's context."""
    tries = []
    for i, window in enumerate(windows):
        ends = [
            _end(candidate, window, controls.encode({"steer": wheel, "gas": 0.2}), seed + i) for wheel in WHEEL.values()
        ]
        left, straight, right = ends
        tries.append(SteerTry(scene_turn(straight, left), scene_turn(straight, right), np.stack(ends)))
        progress(what, i + 1, len(windows))
    return tries


def _end(candidate: Candidate, window: Window, action: ActionVector, seed: int) -> Pixels:
    plays = candidate.begin([window], seed)
    for _ in range(TICKS):
        candidate.advance(plays, [action])
    [frame] = candidate.show(plays)
    candidate.finish(plays)
    return frame
