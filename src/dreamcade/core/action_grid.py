"""Actions on a grid: what a world can tell apart, so that a guessed action can equal the one that comes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.errors import BadInputError

ActionKey = tuple[int, ...]
"""An action on its grid, as whole numbers: equal keys are equal actions."""


@dataclass(frozen=True, slots=True)
class ActionGrid:
    """Every control has `levels` places from 0 to 1 (and as many from 0 to −1); a button has one."""

    levels: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.levels or any(not isinstance(n, int) or isinstance(n, bool) or n < 1 for n in self.levels):
            raise BadInputError(f"a grid needs a whole number of levels for every control; got {list(self.levels)}")

    def snap(self, actions: NDArray[np.floating]) -> NDArray[np.float32]:
        """Actions `[…, A]` → the nearest on the grid, float32 `[…, A]`; 0, 1 and −1 are on every grid.

        There is one zero: −0 becomes 0.
        """
        levels = np.array(self.levels, np.float32)
        places: NDArray[np.float32] = np.rint(np.asarray(actions, np.float32) * levels)
        return (places / levels + 0.0).astype(np.float32)

    def key(self, action: NDArray[np.floating]) -> ActionKey:
        """One action `[A]` → its place."""
        return tuple(int(n) for n in np.rint(np.asarray(action, np.float64) * np.asarray(self.levels)))

    def action(self, key: ActionKey) -> NDArray[np.float32]:
        """Inverse of `key` for actions on the grid."""
        action = np.array(key, np.float32) / np.array(self.levels, np.float32)
        return action.astype(np.float32)
