"""Values that rooms exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""One frame as the player sees it: uint8 RGB `[H, W, 3]`."""

ActionVector = NDArray[np.float32]
"""One setting of the controls: float32 `[A]`, axes first, then buttons (0 or 1)."""


class FrameKind(IntEnum):
    """How a frame came about; travels with it."""

    COMPUTED = 0
    """By a full pass of the dynamics (or it is where the play began)."""
    EXTRAPOLATED = 1
    """Motion went on; the pass was skipped."""
    IN_BETWEEN = 2
    """For the eye alone, between two ticks; the world does not know of it."""


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
    ready_ms: float = 0.0
    """From the moment at which the tick took its input to the encoded picture. A drafted frame was made before that:
    averaged over frames this is the effective (amortized) latency, not what passes between hand and eye."""
    kind: FrameKind = FrameKind.COMPUTED
    drafted: bool = False
    """Whether it was made before its action was known."""

    @property
    def compute_ms(self) -> float:
        """From the start of the dynamics to the encoded picture."""
        return self.dynamics_ms + self.queue_ms + self.decode_ms + self.encode_ms


@dataclass(frozen=True, slots=True)
class Tally:
    """What a player's frames were, since the play was attached."""

    computed: int = 0
    extrapolated: int = 0
    in_between: int = 0
    drafted: int = 0
    """Of the computed and extrapolated ones: those that had been drafted (hits)."""
    missed: int = 0
    """Ticks that had drafts, none of them for the action that came."""
    wasted: int = 0
    """Drafts that were dropped."""


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
