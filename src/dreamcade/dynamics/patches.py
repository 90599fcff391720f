"""Latents ↔ one row of numbers per token."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from dreamcade.dynamics.config import DynamicsConfig


def patchify(latents: Tensor, patch: int) -> Tensor:
    """Latents `[B, c, h, w]` → patches `[B, L, c·patch²]`."""
    return rearrange(latents, "b c (i p) (j q) -> b (i j) (c p q)", p=patch, q=patch)


def unpatchify(patches: Tensor, patch: int, rows: int) -> Tensor:
    """Patches `[B, L, c·patch²]` → maps `[B, c, h, w]`; the inverse of `patchify`."""
    return rearrange(patches, "b (i j) (c p q) -> b c (i p) (j q)", i=rows, p=patch, q=patch)


class Coder(nn.Module):
    """Each token's patch as a few numbers: its leading principal components, of unit variance.

    What is uncertain about the next frame (does the road bend, where) lives in these numbers; noise is added to
    them and the transformer denoises them. Components are fitted to data once (`fit`) and then fixed.
    """

    basis: Tensor
    centre: Tensor

    def __init__(self, config: DynamicsConfig) -> None:
        super().__init__()
        self.patch = config.patch
        self.register_buffer("basis", torch.zeros(config.patch_size, config.code_size))
        self.register_buffer("centre", torch.zeros(config.patch_size))

    def forward(self, latents: Tensor) -> Tensor:
        """Latents `[B, c, h, w]` → codes `[B, L, code_size]`."""
        return (patchify(latents, self.patch) - self.centre) @ self.basis

    @torch.no_grad()
    def fit(self, latents: Tensor) -> None:
        """Sets the components from sample latents `[N, c, h, w]`."""
        samples = patchify(latents, self.patch).flatten(0, 1).double()
        centre = samples.mean(0)
        covariance = (samples - centre).T @ (samples - centre) / len(samples)
        values, vectors = torch.linalg.eigh(covariance)
        count = self.basis.shape[1]
        leading, spread = vectors[:, -count:].flip(1), values[-count:].flip(0).clamp(min=1e-6).sqrt()
        self.basis.copy_(leading / spread)
        self.centre.copy_(centre)
