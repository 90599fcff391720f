"""Values that rooms exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""One frame as the player sees it: uint8 RGB `[H, W, 3]`."""

ActionVector = NDArray[np.float32]
"""One setting of the controls: float32 `[A]`, axes first, then buttons (0 or 1)."""


@dataclass(frozen=True, slots=True)
class FrameTiming:
    """When a frame's parts happened; every value in milliseconds."""

    dynamics_ms: float = 0.0
    decode_ms: float = 0.0
    encode_ms: float = 0.0
    wait_ms: float = 0.0
    """From the newest input that this frame used to the start of its computation."""
    queue_ms: float = 0.0
    """From the end of the dynamics to the start of decoding."""

    @property
    def compute_ms(self) -> float:
        """From the start of the dynamics to the encoded picture."""
        return self.dynamics_ms + self.queue_ms + self.decode_ms + self.encode_ms


@dataclass(frozen=True, slots=True)
class Frame:
    """One generated frame: `pixels` uint8 `[H, W, 3]`, its `tick` (0 = first of the session), its timing."""

    pixels: Pixels
    tick: int
    timing: FrameTiming = FrameTiming()


@dataclass(frozen=True, slots=True)
class Episode:
    """One recorded play of a game.

    `frames` uint8 `[T, H, W, 3]`; `actions` float32 `[T, A]`, where `actions[t]` is the action taken after
    seeing `frames[t]`; `columns` holds whatever else the game exposes, one value (or fixed-size vector) per
    frame (`reward`, `terminated`, `speed`, …).
    """

    seed: int
    frames: Pixels
    actions: NDArray[np.float32]
    columns: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    metadata: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frames)
