"""Frames ↔ latents.

The latent of a frame is its anti-aliased small copy, folded so that it has the grid of a ×8 codec. Being band-limited,
it moves as the picture moves: a latent shifted by a fraction of a cell is the latent of the shifted frame. That is what
lets the dynamics carry detail along by motion instead of drawing it anew. What the small copy cannot hold (where inside
a cell an edge runs, the strokes of a digit) the decoder has learnt to redraw.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from dreamcade.codec.config import CodecConfig
from dreamcade.core.errors import BadInputError


class Bottleneck(nn.Module):
    """Residual block without normalisation: 1×1 down, 3×3, 1×1 up."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = width // 2
        self.down = nn.Conv2d(width, inner, 1)
        self.mix = nn.Conv2d(inner, inner, 3, padding=1)
        self.up = nn.Conv2d(inner, width, 1)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.up(F.relu(self.mix(F.relu(self.down(x)))))


class Decoder(nn.Module):
    """Latents `[N, 12, h, w]` → cells `[N, r·r·3, 2h, 2w]`: context on the coarse grid, edges on the fine one.

    A cell holds the r × r pixels under one pixel of the small picture, as (row, column, colour); it starts as their
    bilinear interpolation, to which the network learns to add.
    """

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        fine = config.detail_width
        self.enter = nn.Conv2d(12, config.width, 3, padding=1)
        self.context = nn.Sequential(*(Bottleneck(config.width) for _ in range(config.blocks)))
        self.expand = nn.Conv2d(config.width, 4 * fine, 1)
        self.detail = nn.Conv2d(fine, fine, 3, padding=1)
        self.leave = nn.Conv2d(fine, 3 * config.reduction**2, 1, bias=False)
        self.interpolate = nn.Conv2d(3, 3 * config.reduction**2, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        with torch.no_grad():
            self.interpolate.weight.copy_(bilinear_cells(config.reduction))
            self.interpolate.bias.zero_()  # type: ignore[union-attr]

    def forward(self, latents: Tensor, small: Tensor) -> Tensor:
        coarse = F.relu(self.context(self.enter(latents)))
        fine = F.relu(F.pixel_shuffle(self.expand(coarse), 2))
        fine = fine + F.relu(self.detail(fine))
        return self.interpolate(small) + self.leave(fine)


def bilinear_cells(reduction: int) -> Tensor:
    """Weights `[r·r·3, 3, 3, 3]` of the convolution that interpolates each pixel's r × r cell bilinearly."""
    offset = (torch.arange(reduction) + 0.5) / reduction - 0.5
    taps = torch.stack([(-offset).clamp(min=0), 1 - offset.abs(), offset.clamp(min=0)], 1)
    cell = torch.einsum("iy,jx->ijyx", taps, taps)
    return torch.einsum("ijyx,co->ijcoyx", cell, torch.eye(3)).reshape(-1, 3, 3, 3)


class Codec(nn.Module):
    """Deterministic continuous codec. Frames float `[B, T, 3, H, W]` in [−1, 1], latents float `[B, T, c, h, w]`."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.decoder = Decoder(config)
        self.register_buffer("mean", torch.tensor(config.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(config.deviation).view(3, 1, 1), persistent=False)

    def encode(self, frames: Tensor) -> Tensor:
        """Frames float `[B, T, 3, H, W]` in [−1, 1] → latents `[B, T, c, h, w]`, about zero mean, unit variance."""
        self._expect(frames, (3, self.config.frame_height, self.config.frame_width), "frames")
        return rearrange(
            self.encode_frames(rearrange(frames, "b t c h w -> (b t) c h w")),
            "(b t) c h w -> b t c h w",
            b=frames.shape[0],
        )

    def encode_frames(self, frames: Tensor) -> Tensor:
        """Frames `[N, 3, H, W]` (any multiple of the cell) → latents `[N, 12, h, w]`."""
        small = F.avg_pool2d(frames, self.config.reduction)
        return F.pixel_unshuffle((small - self.mean) / self.deviation, 2)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents `[B, T, c, h, w]` → frames float `[B, T, 3, H, W]` in [−1, 1]."""
        self._expect(latents, self.config.latent_shape, "latents")
        frames = self.decode_frames(rearrange(latents, "b t c h w -> (b t) c h w"))
        return rearrange(frames.clamp(-1, 1), "(b t) c h w -> b t c h w", b=latents.shape[0])

    def decode_frames(self, latents: Tensor) -> Tensor:
        """Latents `[N, 12, h, w]` → frames `[N, 3, H, W]`, not clamped."""
        cells = self._cells(latents)
        r = self.config.reduction
        return rearrange(cells, "n (i j c) h w -> n c (h i) (w j)", i=r, j=r)

    def decode_pixels(self, latents: Tensor) -> Tensor:
        """Latents `[B, c, h, w]` → uint8 `[B, H, W, 3]`, contiguous, on the latents' device."""
        cells = self._cells(latents.contiguous(memory_format=torch.channels_last)).permute(0, 2, 3, 1)
        quantised = cells.float().mul_(127.5).add_(128.0).clamp_(0, 255).to(torch.uint8)
        r = self.config.reduction
        return rearrange(quantised, "n h w (i j c) -> n (h i) (w j) c", i=r, j=r).contiguous()

    def _cells(self, latents: Tensor) -> Tensor:
        small = F.pixel_shuffle(latents, 2) * self.deviation + self.mean
        return self.decoder(latents, small.contiguous(memory_format=torch.channels_last))

    @staticmethod
    def _expect(tensor: Tensor, shape: tuple[int, ...], what: str) -> None:
        if tensor.ndim != 5 or tuple(tensor.shape[2:]) != shape:
            raise BadInputError(f"{what} must be [B, T, {', '.join(map(str, shape))}]; got {list(tensor.shape)}")
