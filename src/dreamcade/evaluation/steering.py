"""Does the world answer the wheel? Left, straight and right from the same start, told apart by registration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dreamcade.core.controls import Controls
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.engine.engine import Engine
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.pilot import Pilot
from dreamcade.evaluation.registration import scene_turn
from dreamcade.evaluation.windows import Window
from dreamcade.games.base import Game

TICKS = 8
SMALLEST_TURN = 1.0
"""Degrees that count as an answer."""
WHEEL = {"left": -1.0, "straight": 0.0, "right": 1.0}
_REAL_APPROACH = 100


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


def _actions(controls: Controls) -> list[ActionVector]:
    gas = {"gas": 0.2} if "gas" in controls.names else {}
    if "steer" not in controls.names:
        raise BadInputError(f"this world has no control named steer (it has {', '.join(controls.names)})")
    return [controls.encode({"steer": wheel, **gas}) for wheel in WHEEL.values()]


def _judge(left: Pixels, straight: Pixels, right: Pixels) -> SteerTry:
    return SteerTry(scene_turn(straight, left), scene_turn(straight, right), np.stack([left, straight, right]))


def steer_dream(
    engine: Engine, dataset: Dataset, windows: Sequence[Window], *, seed: int, progress: Progress
) -> list[SteerTry]:
    """Three rollouts with the same noise from every window's context."""
    tries = []
    actions = _actions(engine.world.controls)
    for i, window in enumerate(windows):
        frames, led = window.context(dataset)
        sessions = [engine.open_session(seed=seed + i, frames=frames, actions=led) for _ in WHEEL]
        for _ in range(TICKS):
            made = engine.step_many(dict(zip(sessions, actions, strict=True)))
        tries.append(_judge(*(made[session].pixels.copy() for session in sessions)))
        for session in sessions:
            session.close()
        progress("steering response", i + 1, len(windows))
    return tries


def steer_real(game: Game, seeds: Sequence[int], progress: Progress) -> list[SteerTry]:
    """The same in the real game: the pilot drives up to the start, once for each turn of the wheel."""
    tries = []
    for i, seed in enumerate(seeds):
        approach: list[ActionVector] = []
        ends = [_drive_up(game, seed, approach, action) for action in _actions(game.controls)]
        tries.append(_judge(*ends))
        progress("steering, real game", i + 1, len(seeds))
    return tries


def _drive_up(game: Game, seed: int, approach: list[ActionVector], action: ActionVector) -> Pixels:
    """Fills `approach` by driving when it is empty, else repeats it: the game is deterministic."""
    pixels = game.reset(seed)
    pilot = Pilot(game.controls)
    known = list(approach)
    for t in range(_REAL_APPROACH):
        chosen = known[t] if known else pilot.act(pixels)
        if not known:
            approach.append(chosen)
        pixels = game.step(chosen)[0]
    for _ in range(TICKS):
        pixels = game.step(action)[0]
    return pixels
