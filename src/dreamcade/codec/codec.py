"""Frames ↔ latents.

A frame is reduced to a small anti-aliased picture, and that to a few numbers per cell. The way back draws the small
picture first and the frame's edges from it. So the deep networks, which need many frames to learn from, never touch
full frames, and what happens at full size is light. Frames that are small themselves are not reduced.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from dreamcade.codec import coarse
from dreamcade.codec.config import CodecConfig
from dreamcade.codec.detail import Detail
from dreamcade.core.errors import BadInputError


class Codec(nn.Module):
    """Deterministic continuous codec. Frames float `[B, T, 3, H, W]` in [−1, 1], latents `[B, T, c, h, w]` in (−1, 1).

    Small pictures `[N, 3, H / reduction, W / reduction]` are normalised by colour.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = coarse.Encoder(config)
        self.decoder = coarse.Decoder(config)
        self.detail = Detail(config) if config.reduction > 1 else None
        self.register_buffer("mean", torch.tensor(config.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(config.deviation).view(3, 1, 1), persistent=False)

    @torch.no_grad()
    def fit(self, colours: Tensor) -> None:
        """Starts encoder and decoder at the best linear map for sample pictures `[N, 3, h, w]` in [−1, 1]."""
        coarse.fit(self.encoder, self.decoder, F.pixel_unshuffle(self.normalise(colours), self.config.fold))

    def encode(self, frames: Tensor) -> Tensor:
        """Frames float `[B, T, 3, H, W]` in [−1, 1] → latents `[B, T, c, h, w]`."""
        self._expect(frames, (3, self.config.frame_height, self.config.frame_width), "frames")
        latents = self.encode_pictures(self.reduce(frames.flatten(0, 1)))
        return latents.reshape(*frames.shape[:2], *self.config.latent_shape)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents `[B, T, c, h, w]` → frames float `[B, T, 3, H, W]` in [−1, 1]."""
        self._expect(latents, self.config.latent_shape, "latents")
        frames = self.enlarge(self.decode_pictures(latents.flatten(0, 1)))
        return frames.clamp(-1, 1).reshape(*latents.shape[:2], *frames.shape[1:])

    def reduce(self, frames: Tensor) -> Tensor:
        """Frames `[N, 3, H, W]` in [−1, 1] → small pictures."""
        reduction = self.config.reduction
        return self.normalise(F.avg_pool2d(frames, reduction) if reduction > 1 else frames)

    def normalise(self, pictures: Tensor) -> Tensor:
        """Small pictures with colours in [−1, 1] → as the networks see them."""
        return (pictures - self.mean) / self.deviation

    def colours(self, pictures: Tensor) -> Tensor:
        """Inverse of `normalise`."""
        return pictures * self.deviation + self.mean

    def encode_pictures(self, pictures: Tensor) -> Tensor:
        """Small pictures (any multiple of a cell) → latents `[N, c, h, w]`."""
        folded = F.pixel_unshuffle(pictures, self.config.fold)
        return self.encoder(folded.contiguous(memory_format=torch.channels_last))

    def decode_pictures(self, latents: Tensor) -> Tensor:
        """Latents `[N, c, h, w]` → small pictures."""
        return F.pixel_shuffle(self.decoder(latents.contiguous(memory_format=torch.channels_last)), self.config.fold)

    def enlarge(self, pictures: Tensor) -> Tensor:
        """Small pictures (any even size) → frames `[N, 3, H, W]`, not clamped."""
        r = self.config.reduction
        return rearrange(self._cells(pictures), "n (i j c) h w -> n c (h i) (w j)", i=r, j=r)

    def decode_pixels(self, latents: Tensor) -> Tensor:
        """Latents `[B, c, h, w]` → uint8 `[B, H, W, 3]`, contiguous, on the latents' device."""
        return self.arrange(self.decode_cells(latents))

    def decode_cells(self, latents: Tensor) -> Tensor:
        """Latents `[B, c, h, w]` → uint8 cells `[B, H / r, W / r, r·r·3]` of r × r pixels, r being the reduction."""
        cells = self._cells(self.decode_pictures(latents))
        # Bytes first, then their order: an eighth of what would be moved otherwise.
        return cells.float().mul_(127.5).add_(128.0).clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1)

    def arrange(self, cells: Tensor) -> Tensor:
        """Cells of `decode_cells` → frames uint8 `[B, H, W, 3]`, contiguous."""
        r = self.config.reduction
        rows = cells.contiguous().flatten(1, 2)
        if r == 1:
            return rows.view(cells.shape)
        # A row of a cell is r·3 bytes, moved as a few whole numbers.
        rows = rows.view(torch.int32 if r % 4 == 0 else torch.int16)
        moved = rearrange(rows, "n (h w) (i b) -> n h i w b", h=cells.shape[1], i=r).contiguous()
        return moved.view(torch.uint8).reshape(len(cells), r * cells.shape[1], r * cells.shape[2], 3)

    def _cells(self, pictures: Tensor) -> Tensor:
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        colours = self.colours(pictures)
        return colours if self.detail is None else self.detail(pictures, colours)

    @staticmethod
    def _expect(tensor: Tensor, shape: tuple[int, ...], what: str) -> None:
        if tensor.ndim != 5 or tuple(tensor.shape[2:]) != shape:
            raise BadInputError(f"{what} must be [B, T, {', '.join(map(str, shape))}]; got {list(tensor.shape)}")
