"""What a game is to the rest of Dreamcade, and what plays it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.controls import Controls
from dreamcade.core.types import ActionVector, Pixels


class Game(Protocol):
    """A real game with a fixed tick rate. Same seed and same actions: same frames.

    `reset` starts a new play and returns its first frame; `step` takes an action float32 `[A]` and returns
    `(frame, reward, terminated, truncated)`. Both raise `BadInputError` on what the game cannot take.
    `state` is what the game exposes about the newest frame, one number per name (the same names every time).
    """

    @property
    def name(self) -> str: ...
    @property
    def controls(self) -> Controls: ...
    @property
    def tick_rate(self) -> float: ...
    @property
    def licence(self) -> str: ...
    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of a frame."""
        ...

    def reset(self, seed: int) -> Pixels: ...
    def step(self, action: ActionVector) -> tuple[Pixels, float, bool, bool]: ...
    def state(self) -> Mapping[str, float]: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Choices:
    """Settings of a game's controls that each do something else: `actions` float32 `[N, A]`, none of them at rest, and
    how often a driver without a plan should choose each, `shares` `[N]`, which sum to 1."""

    actions: NDArray[np.float32]
    shares: NDArray[np.float64]


@runtime_checkable
class TellsChoices(Protocol):
    """A game that knows which settings of its controls do something; None where there are too many to list."""

    @property
    def choices(self) -> Choices | None: ...


class Driver(Protocol):
    """Chooses actions for one game. Same seed and same states: same actions.

    `reset` comes after the game's own `reset`, and may put the game somewhere else: then it returns the frame there.
    `act` maps the newest state to an action float32 `[A]`; `style` names what the driver is doing at the moment.
    """

    @property
    def style(self) -> str: ...

    def reset(self, seed: int) -> Pixels | None: ...
    def act(self, state: Mapping[str, float]) -> ActionVector: ...
