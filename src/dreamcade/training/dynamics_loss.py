"""What the dynamics are trained to do."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamcade.codec import Codec
from dreamcade.dynamics import LOWEST_LEVEL

KNEE = 0.5
"""Errors count squared up to about this many deviations, and in proportion beyond: a stream that has lost its way must
not outweigh all others."""
MOTION_WEIGHT = 1.0
"""Of the motion that is measured afterwards, beside the picture's own error, which tells little of one far off."""


def dynamics_loss(made: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Loss (scalar) of tokens `[B, L, c]`, and each row's RMS error `[B]`."""
    squared = (made - target).square()
    softened = 2 * KNEE * ((squared + KNEE**2).sqrt() - KNEE)
    return softened.mean(), squared.detach().mean((1, 2)).sqrt()


def motion_loss(expected: Tensor, measured: Tensor, usual: Tensor) -> Tensor:
    """Of motions over the `usual` ones, each `[B, 12]`, by how far they move things: small ones are mostly noise."""
    return MOTION_WEIGHT * F.smooth_l1_loss(expected * usual, measured * usual, beta=0.05)


@torch.no_grad()
def channel_importance(codec: Codec, latents: Tensor, change: float = 0.05) -> Tensor:
    """How much a change of each latent channel changes the small picture, `[c]`, of mean 1, from latents `[N, …]`.

    A quarter is shared out evenly, so that no channel is left to itself.
    """
    plain = codec.colours(codec.decode_pictures(latents))
    effects = []
    for channel in range(latents.shape[1]):
        changed = latents.clone()
        changed[:, channel] += change * torch.randn_like(changed[:, channel]).sign()
        effects.append((codec.colours(codec.decode_pictures(changed)) - plain).square().mean())
    effect = torch.stack(effects)
    return 0.25 + 0.75 * effect / effect.mean()


def draw_levels(count: int, played: Sequence[float], device: torch.device, anywhere: float = 0.25) -> Tensor:
    """Noise levels `[count]`: those at which the model is `played`, evenly; a share `anywhere` uniform between the
    lowest that can be asked for and 1."""
    spread = LOWEST_LEVEL + (1 - LOWEST_LEVEL) * torch.rand(count, device=device)
    chosen = torch.tensor(played, device=device)[torch.randint(len(played), (count,), device=device)]
    return torch.where(torch.rand(count, device=device) < anywhere, spread, chosen)
