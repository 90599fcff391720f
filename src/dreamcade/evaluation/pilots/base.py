"""What a pilot is, and the eyes of those that read pictures with a network."""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.types import ActionVector, Pixels
from dreamcade.evaluation.reading import FRAMES, Reader, shrink


class Pilot(Protocol):
    """Call `act` with every frame uint8 `[H, W, 3]`; it answers with the action float32 `[A]`.

    `lost` says that there is nothing left to play, where that can be (`can_be_lost`). `liveliness` tells, from the
    actions `[T, A]` of a whole play, how much went on in it: survival alone would reward a dull or frozen world.
    """

    can_be_lost: ClassVar[bool]

    @property
    def lost(self) -> bool: ...
    def act(self, pixels: Pixels) -> ActionVector: ...
    def liveliness(self, actions: NDArray[np.float32], tick_rate: float) -> dict[str, float]: ...


class Eyes:
    """Reads the game's state from the newest frames, with a network trained on real play."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._frames: list[Pixels] = []

    def see(self, pixels: Pixels) -> dict[str, float]:
        """Columns at the newest frame; before four frames have been seen, the first one stands in for earlier ones."""
        small = shrink(pixels[None], self._reader.config.width, self._reader.config.height)[0]
        self._frames = [*(self._frames or [small] * (FRAMES - 1))[-(FRAMES - 1) :], small]
        columns = self._reader.read_small(np.stack(self._frames)[None]).columns
        return {name: float(values[0]) for name, values in columns.items()}
