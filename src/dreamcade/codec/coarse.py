"""Small pictures ↔ latents: the deep half of the codec.

Both ways begin at the best linear map (principal components of each cell, see `fit`); networks on two grids learn what
a linear map cannot do.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamcade.codec.config import CodecConfig

SPREAD = 0.5
"""Deviation of each component before the squashing, where `fit` begins."""


EXACT = 1500
"""Numbers of a cell up to which all of its components are computed; of larger ones only those that are wanted."""


class Bottleneck(nn.Module):
    """Residual block without normalisation: 1×1 down, 3×3, 1×1 up."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(1, width // 2)
        self.down = nn.Conv2d(width, inner, 1)
        self.mix = nn.Conv2d(inner, inner, 3, padding=1)
        self.up = nn.Conv2d(inner, width, 1)
        nn.init.normal_(self.up.weight, std=0.01)
        nn.init.zeros_(self.up.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.up(F.relu_(self.mix(F.relu_(self.down(x))))).add_(x)


def bottlenecks(width: int, count: int) -> nn.Sequential:
    """`count` of them, one after the other."""
    return nn.Sequential(*(Bottleneck(width) for _ in range(count)))


class Encoder(nn.Module):
    """Folded small pictures `[N, 3·fold², h·gather, w·gather]` → latents `[N, c, h, w]` in (−1, 1)."""

    FOLDED_WIDTH = 24

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        folded, cells = 3 * config.fold**2, config.gather**2
        self.gather = config.gather
        self.linear = nn.Conv2d(folded * cells, config.channels, 1)
        self.enter = nn.Conv2d(folded, config.fine_width, 3, padding=1)
        self.fine = bottlenecks(config.fine_width, 1)
        self.fold = nn.Conv2d(config.fine_width, self.FOLDED_WIDTH, 1)
        self.join = nn.Conv2d(self.FOLDED_WIDTH * cells, config.coarse_width, 1)
        self.coarse = bottlenecks(config.coarse_width, max(1, config.coarse_blocks - 1))
        self.leave = nn.Conv2d(config.coarse_width, config.channels, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, folded: Tensor) -> Tensor:
        fine = F.relu(self.fine(F.relu(self.enter(folded))))
        coarse = F.relu(self.join(F.pixel_unshuffle(self.fold(fine), self.gather)))
        return torch.tanh(self.linear(F.pixel_unshuffle(folded, self.gather)) + self.leave(self.coarse(coarse)))


class Decoder(nn.Module):
    """Latents `[N, c, h, w]` → folded small pictures `[N, 3·fold², h·gather, w·gather]`."""

    EXPANDED_WIDTH = 32

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        folded, cells = 3 * config.fold**2, config.gather**2
        self.gather = config.gather
        self.linear = nn.Conv2d(config.channels, folded * cells, 1)
        self.enter = nn.Conv2d(config.channels, config.coarse_width, 3, padding=1)
        self.coarse = bottlenecks(config.coarse_width, config.coarse_blocks)
        self.expand = nn.Conv2d(config.coarse_width, self.EXPANDED_WIDTH * cells, 1)
        self.join = nn.Conv2d(self.EXPANDED_WIDTH, config.fine_width, 3, padding=1)
        self.fine = bottlenecks(config.fine_width, config.fine_blocks)
        self.leave = nn.Conv2d(config.fine_width, folded, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, latents: Tensor) -> Tensor:
        coarse = F.relu_(self.coarse(F.relu_(self.enter(latents))))
        fine = F.relu_(self.join(F.relu_(F.pixel_shuffle(self.expand(coarse), self.gather))))
        return self.leave(F.relu_(self.fine(fine))).add_(F.pixel_shuffle(self.linear(latents), self.gather))


@torch.no_grad()
def fit(encoder: Encoder, decoder: Decoder, folded: Tensor) -> None:
    """Sets the linear paths to the principal components of the cells of sample pictures (folded, `[N, …]`)."""
    cells = F.pixel_unshuffle(folded, encoder.gather).permute(0, 2, 3, 1).flatten(0, 2).double()
    centre, count = cells.mean(0), decoder.linear.in_channels
    cells -= centre
    values, leading = _principal(cells, count)
    scale = SPREAD / values.clamp(min=1e-8).sqrt()
    encoder.linear.weight.copy_((leading * scale).T[:, :, None, None])
    encoder.linear.bias.copy_(-(centre @ leading) * scale)  # type: ignore[union-attr]
    decoder.linear.weight.copy_((leading / scale)[:, :, None, None])
    decoder.linear.bias.copy_(centre)  # type: ignore[union-attr]


def _principal(cells: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Variances `[count]`, largest first, and directions `[D, count]` of the principal components of `[N, D]` cells."""
    if cells.shape[1] <= EXACT:
        values, vectors = torch.linalg.eigh(cells.T @ cells / len(cells))
        return values[-count:].flip(0), vectors[:, -count:].flip(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _, sizes, directions = torch.svd_lowrank(cells, q=min(count + 16, *cells.shape), niter=4)
    return sizes[:count].square() / len(cells), directions[:, :count]
