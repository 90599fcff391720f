"""How an intent reaches the controls: smoothly, as a wheel and pedals do, or in presses, as keys do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from dreamcade.core.types import ActionVector
from dreamcade.games.drivers.following import MAX_WHEEL_ANGLE, Intent, sliding


def action(steer: float, gas: float, brake: float) -> ActionVector:
    """Clipped to the controls' ranges, float32 `[3]`."""
    return np.clip(np.array([steer, gas, brake], np.float32), [-1, 0, 0], [1, 1, 1]).astype(np.float32)


class Hands(Protocol):
    """Turns an intent into an action; steering right is positive in an action, left in an intent."""

    def move(self, state: Mapping[str, float], intent: Intent) -> ActionVector: ...


class SmoothHands:
    """Proportional pedals and an analog wheel with a slow wander, so that steering is never quite still."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._wander = 0.0
        self._restless = float(rng.choice([0.01, 0.03, 0.06, 0.12], p=[0.3, 0.3, 0.25, 0.15]))
        self._pedal = float(rng.uniform(0.03, 0.09))

    def move(self, state: Mapping[str, float], intent: Intent) -> ActionVector:
        self._wander = 0.88 * self._wander + self._restless * float(self._rng.normal())
        steer = -(intent.wheel_angle + self._wander * min(0.5, 10.0 / (state["speed"] + 5.0)))
        steer = float(np.clip(steer, -MAX_WHEEL_ANGLE, MAX_WHEEL_ANGLE))
        missing = intent.speed - state["speed"]
        most = (0.8 if abs(intent.wheel_angle) < 0.1 else 0.35) * (1.0 - min(1.0, 2.0 * sliding(state)))
        gas = np.clip(missing * self._pedal, 0.0, most) if missing > 0 else 0.0
        brake = np.clip((-missing - 6.0) * 0.04, 0.0, 0.8) if missing < -6.0 else 0.0
        return action(steer, float(gas), float(brake))


class KeyHands:
    """A keyboard: each key is down or up, for at least two ticks, pressed late and let go late, as fingers do."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._threshold = float(rng.uniform(0.05, 0.14))
        self._damping = float(rng.uniform(0.12, 0.2))
        self._patience = float(rng.uniform(2.0, 7.0))
        self._steer = self._gas = self._brake = 0.0
        self._steer_hold = self._pedal_hold = 0

    def move(self, state: Mapping[str, float], intent: Intent) -> ActionVector:
        self._steer_hold -= 1
        self._pedal_hold -= 1
        if self._steer_hold <= 0:
            self._press_wheel(state, intent)
        if self._pedal_hold <= 0:
            self._press_pedals(state, intent)
        return action(self._steer, self._gas, self._brake)

    def _press_wheel(self, state: Mapping[str, float], intent: Intent) -> None:
        predicted = intent.bearing - self._damping * state["yaw_rate"]
        limit = self._threshold if self._steer == 0.0 else 0.3 * self._threshold
        wanted = 0.0 if abs(predicted) < limit else -float(np.sign(predicted))
        if wanted != self._steer:
            self._steer = wanted
            self._steer_hold = int(self._rng.integers(2, 4)) if wanted else int(self._rng.integers(1, 4))

    def _press_pedals(self, state: Mapping[str, float], intent: Intent) -> None:
        missing = intent.speed - state["speed"]
        gas, brake = self._gas, self._brake
        if missing < -10.0 - self._patience:
            gas, brake = 0.0, 1.0
        elif missing < -4.0 or sliding(state) > 0.22:
            gas, brake = 0.0, 0.0
        elif missing > self._patience:
            gas, brake = 1.0, 0.0
        elif brake and missing > -6.0:
            brake = 0.0
        if (gas, brake) != (self._gas, self._brake):
            self._gas, self._brake = gas, brake
            self._pedal_hold = int(self._rng.integers(2, 7)) if gas else int(self._rng.integers(1, 3))
