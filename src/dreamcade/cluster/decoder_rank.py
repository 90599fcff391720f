"""What one decoder does: draws frames, whole or its strip of them. How commands come is somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dreamcade.cluster.meeting_place import MEETING
from dreamcade.cluster.process_group import Group
from dreamcade.cluster.strips import strips_of
from dreamcade.codec import Codec
from dreamcade.codec.convolutional import ConvolutionalDecoder, to_pixels
from dreamcade.codec.fused_convolutional import FusedDecoder
from dreamcade.codec.strips import Strips, in_strips
from dreamcade.core.errors import BadInputError, RankLostError
from dreamcade.kernels.choice import fuses

Draw = Callable[[Tensor], Tensor]


class DecoderRank:
    """A decoder and its place in a group. Without a group (round-robin, or alone) it draws whole frames; in one, its
    strip of each, and all ranks of the group must be told to draw the same frames in the same order.

    A convolutional decoder runs in fused kernels where there are any; `fused`: in any case, on their references where
    there are none, which ask each other half as often. One thread at a time.
    """

    def __init__(
        self, decoder: Codec | ConvolutionalDecoder, group: Group | None = None, *, fused: bool = False
    ) -> None:
        self._decoder = decoder
        self._fused = fused
        self._group: Group | None = None
        self._made: dict[int, tuple[Strips, Draw]] = {}
        self.regroup(group)

    @property
    def group(self) -> Group | None:
        return self._group

    def regroup(self, group: Group | None) -> None:
        """Leaves its group without waiting for anybody, and draws in this one from now on."""
        if self._group is not None and self._group is not group:
            self._group.abandon()
        self._group = group
        self._made = {}

    @torch.no_grad()
    def draw(self, latents: Tensor) -> Tensor:
        """Whole latents `[B, c, h, w]` of the weights' type → its rows of pixels, uint8 `[B, rows, W, 3]`, contiguous,
        on the latents' device. The strips of a group, one under the other (`assemble`), are the frames.

        Raises `RankLostError` where another rank is gone: nothing is drawn until `regroup`. `BadInputError` for fewer
        rows of latents than ranks, before anything is sent.
        """
        if latents.ndim != 4:
            raise BadInputError(f"latents must be [B, c, h, w]; got {list(latents.shape)}")
        height = latents.shape[2]
        if height not in self._made:
            self._made[height] = self._make(height)
        strips, draw = self._made[height]
        try:
            return draw(strips.own(latents))
        except RankLostError:
            self._made = {}
            raise

    def warm_up(self, latents: Tensor, patience: float = MEETING) -> None:
        """Draws once, with so many seconds for each exchange: some things happen only the first time (weights are
        packed, kernels compiled), and take each rank its own time. Without it, that looks like a lost rank."""
        group = self._group
        if group is None:
            self.draw(latents)
            return
        usual, group.patience = group.patience, patience
        try:
            self.draw(latents)
        finally:
            group.patience = usual

    def _make(self, height: int) -> tuple[Strips, Draw]:
        decoder = self._decoder
        strips = Strips(rows=(height,)) if self._group is None else strips_of(self._group, height)
        if isinstance(decoder, Codec):
            return strips, in_strips(decoder, strips).decode_pixels
        weight = next(decoder.parameters()).detach()
        make: Draw = (
            FusedDecoder(decoder, strips=strips) if self._fused or fuses(weight) else in_strips(decoder, strips)
        )
        return strips, lambda latents: to_pixels(make(latents))


def assemble(strips: Sequence[Tensor]) -> Tensor:
    """The strips of some frames, uint8 `[B, rows, W, 3]`, top to bottom → the frames `[B, H, W, 3]`, contiguous."""
    if len({(strip.shape[0], *strip.shape[2:]) for strip in strips}) != 1:
        raise BadInputError(f"strips must be of the same frames; got {[list(strip.shape) for strip in strips]}")
    return torch.cat(list(strips), 1)
