"""The interface between an engine and whatever runs its world's networks."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from dreamcade.dynamics.dynamics import Context
from dreamcade.dynamics.transformer import GoOn
from dreamcade.kernels.names import Kernels


class Executor(Protocol):
    """Makes the next frame's tokens, and pixels of latents. All executors make the same frames, up to rounding.

    `sample` runs in one thread at a time; `draw` may run in `lanes` others meanwhile.
    """

    @property
    def name(self) -> str:
        """For people: what runs, and in which number format."""

    @property
    def storage(self) -> torch.dtype:
        """What sessions remember latents and actions in."""

    @property
    def kernels(self) -> Kernels:
        """What to ask for, to have another one that makes the same frames."""

    @property
    def lanes(self) -> int:
        """How many frames may be drawn at once; it may change."""

    def sample(self, context: Context, noise: Tensor, go_on: GoOn | None = None) -> Tensor:
        """The next frame's tokens `[B, L, c]` from noise `[steps, B, L, c]`, all in `storage`.

        `go_on` is asked now and then; where it says no, `Abandoned` is raised.
        """

    def draw(self, latents: Tensor) -> Tensor:
        """Latents `[B, c, h, w]` in `storage` → frames uint8 `[B, H, W, 3]`, contiguous, on the latents' device or on
        the CPU."""
