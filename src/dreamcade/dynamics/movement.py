"""What the newest latent would be if everything in it only moved on.

A picture that slides by some pixels is, cell by cell, a linear map of the cells around: a 3×3 convolution whose kernel
depends on how far it slides. A basis of such kernels stands for all slides; a mixture of them, affine over the picture,
also for turns and zooms. The mixture that made the last frame of the one before is measured by least squares, and the
next one follows from it and the actions. So what moves is carried over whole, and need not fit through the
transformer's width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from dreamcade.dynamics.config import DynamicsConfig

GAIN = 0.05
"""Of the stored kernels, so much is applied: Adam's steps are equal for all weights, and a thousand of these meet in
one output."""
MEASURED = 32
"""Channels by which a movement is measured: those that count most."""
RIDGE = 0.05
"""How far a measurement is drawn to standing still, over the mean square of what it is made of."""
FIELD = 3
"""A mixture is constant, plus a part that grows to the right, plus one that grows downwards."""


class Movement(nn.Module):
    """Tokens of the newest frames → the newest one's, moved."""

    field: Tensor
    leading: Tensor

    def __init__(self, config: DynamicsConfig) -> None:
        super().__init__()
        self.config = config
        c, self.mixed = config.latent_channels, FIELD * config.movements
        features = self.mixed + 2 * config.action_history * config.action_size
        self.kernels = nn.Parameter(torch.zeros(config.movements, 9 * c, c))
        self.go_on = nn.Linear(features, self.mixed)
        last = nn.Linear(128, self.mixed)
        self.bend = nn.Sequential(nn.Linear(features, 128), nn.SiLU(), last)
        self.moves = nn.Parameter(torch.full((config.tokens, 1), 0.75))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        rows = torch.linspace(-1, 1, config.latent_height).repeat_interleave(config.latent_width)
        columns = torch.linspace(-1, 1, config.latent_width).repeat(config.latent_height)
        self.register_buffer("field", torch.stack([torch.ones(config.tokens), columns, rows]), persistent=False)
        self.register_buffer("leading", torch.arange(min(MEASURED, c)))

    def forward(self, recent: Tensor, actions: Tensor) -> Tensor:
        """Tokens `[B, R, L, c]`, newest first, and features of the actions `[B, F]` → `[B, L, c]`."""
        newest = recent[:, 0]
        return newest + torch.sigmoid(4 * self.moves) * self.changed(newest, self.mixture(recent, actions))

    def mixture(self, recent: Tensor, actions: Tensor) -> Tensor:
        """The mixture of the next movement, `[B, FIELD·M]`."""
        with torch.no_grad():
            last = self.measure(recent[:, 0], recent[:, min(1, recent.shape[1] - 1)])
        features = torch.cat([last, actions], 1)
        mixture: Tensor = self.go_on(features) + self.bend(features)
        return mixture

    def changed(self, tokens: Tensor, mixture: Tensor) -> Tensor:
        """The change of tokens `[B, L, c]` under mixtures `[B, FIELD·M]`."""
        weights = GAIN * mixture.reshape(len(mixture), FIELD, -1)
        kernels = torch.einsum("bfm,mio->bfio", weights, self.kernels)
        changes = self.around(tokens)[:, None] @ kernels
        return torch.einsum("fl,bflc->blc", self.field, changes)

    def measure(self, now: Tensor, before: Tensor) -> Tensor:
        """The mixture that best makes tokens `now` of `before`, each `[B, L, c]`, away from the edges → `[B, FIELD·M]`.

        In float32 whatever the tokens are in.
        """
        inner = self.inner(before.device)
        around = self.around(before)[:, inner].float()
        kernels = GAIN * self.kernels[:, :, self.leading].float()
        with torch.autocast(before.device.type, enabled=False):
            changes = torch.einsum("bli,mio->bmlo", around, kernels)
            parts = torch.einsum("fl,bmlo->bfmlo", self.field[:, inner].float(), changes).flatten(3).flatten(1, 2)
            change = (now - before)[:, inner][..., self.leading].float().flatten(1)
            gram = parts @ parts.mT
            ridge = RIDGE * gram.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-6)
            gram = gram + ridge[:, None, None] * torch.eye(self.mixed, device=gram.device)
            return torch.linalg.solve(gram, (parts @ change[..., None])[..., 0]).to(now.dtype)

    def around(self, tokens: Tensor) -> Tensor:
        """Tokens `[B, L, c]` with their neighbours', `[B, L, 9·c]`; nothing lies beyond the edges."""
        grid = rearrange(tokens, "b (h w) c -> b c h w", h=self.config.latent_height)
        return F.unfold(grid, 3, padding=1).mT

    def inner(self, device: torch.device) -> Tensor:
        """Numbers of the cells that touch no edge, or all where there are none."""
        h, w = self.config.latent_height, self.config.latent_width
        numbers = torch.arange(h * w, device=device).view(h, w)
        return numbers[1:-1, 1:-1].flatten() if min(h, w) > 2 else numbers.flatten()
