"""Small pictures → frames: the half of the codec that draws edges."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamcade.codec.coarse import bottlenecks
from dreamcade.codec.config import CodecConfig


class Detail(nn.Module):
    """Small pictures `[N, 3, h, w]`, normalised and as colours → cells `[N, r·r·3, h, w]`: context on half the grid,
    edges on the whole.

    A cell holds the r × r pixels under one pixel of the small picture, as (row, column, colour); it starts as their
    bilinear interpolation, to which the network learns to add.
    """

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        width, fine = config.context_width, config.detail_width
        self.enter = nn.Conv2d(12, width, 3, padding=1)
        self.context = bottlenecks(width, config.context_blocks)
        self.expand = nn.Conv2d(width, 4 * fine, 1)
        self.detail = nn.Conv2d(fine, fine, 3, padding=1)
        self.leave = nn.Conv2d(fine, 3 * config.reduction**2, 1, bias=False)
        self.interpolate = nn.Conv2d(3, 3 * config.reduction**2, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        with torch.no_grad():
            self.interpolate.weight.copy_(bilinear_cells(config.reduction))
            self.interpolate.bias.zero_()  # type: ignore[union-attr]

    def forward(self, pictures: Tensor, colours: Tensor) -> Tensor:
        # In place wherever autograd allows it: on a CPU, a fresh map of this size costs more than what is done to it.
        context = F.relu_(self.context(self.enter(F.pixel_unshuffle(pictures, 2))))
        fine = F.relu_(F.pixel_shuffle(self.expand(context), 2))
        fine = fine + F.relu_(self.detail(fine))
        return self.leave(fine).add_(self.interpolate(colours))


def bilinear_cells(reduction: int) -> Tensor:
    """Weights `[r·r·3, 3, 3, 3]` of the convolution that interpolates each pixel's r × r cell bilinearly."""
    offset = (torch.arange(reduction) + 0.5) / reduction - 0.5
    taps = torch.stack([(-offset).clamp(min=0), 1 - offset.abs(), offset.clamp(min=0)], 1)
    cell = torch.einsum("iy,jx->ijyx", taps, taps)
    return torch.einsum("ijyx,co->ijcoyx", cell, torch.eye(3)).reshape(-1, 3, 3, 3)
