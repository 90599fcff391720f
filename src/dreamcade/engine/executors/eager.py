"""PyTorch, one operation after the other: the reference, and what runs where nothing else does."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamcade.codec import Codec
from dreamcade.dynamics import Dynamics
from dreamcade.dynamics.dynamics import Context
from dreamcade.dynamics.transformer import GoOn
from dreamcade.kernels.names import Kernels


class EagerExecutor:
    """The modules as they are, on their device and in their number format."""

    def __init__(self, dynamics: Dynamics, codec: Codec) -> None:
        self._dynamics = dynamics
        self._codec = codec

    @property
    def name(self) -> str:
        return f"PyTorch, {str(self.storage).removeprefix('torch.')}"

    @property
    def storage(self) -> torch.dtype:
        return self._dynamics.leave.weight.dtype

    @property
    def kernels(self) -> Kernels:
        return Kernels.REFERENCE

    @property
    def lanes(self) -> int:
        return 1

    def sample(self, context: Context, noise: Tensor, go_on: GoOn | None = None) -> Tensor:
        return self._dynamics.sample(context, noise, go_on=go_on)

    def draw(self, latents: Tensor) -> Tensor:
        return self._codec.decode_pixels(latents)
