"""What the dynamics are trained to do."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CODE_WEIGHT = 0.1
MOTION_WEIGHT = 1.0
VIEW_WEIGHT = 0.1
DETAIL_WEIGHT = 3.0


def detail_weights(target: Tensor) -> Tensor:
    """How much each latent cell counts, `[B, 1, h, w]`: cells that differ from their surroundings up to 1 + 3 times.

    Without it the car, kerbs and indicators, a few percent of the picture, would be the last thing learnt.
    """
    coarse = F.avg_pool2d(F.avg_pool2d(target, 2), 3, stride=1, padding=1, count_include_pad=False)
    around = F.interpolate(coarse, size=target.shape[2:])
    contrast = (target - around).abs().amax(1, keepdim=True)
    return 1 + DETAIL_WEIGHT * contrast.clamp(max=1)


def dynamics_loss(
    made: tuple[Tensor, Tensor, Tensor, Tensor], still: Tensor, target_code: Tensor, target: Tensor, motion: Tensor
) -> tuple[Tensor, Tensor]:
    """Total loss (scalar) and the mean absolute latent error of each row `[B]`.

    `made` is what `Dynamics.forward` returns: codes `[B, L, k]` are compared by squared error, latents `[B, c, h, w]`
    and the view's motion `[B, 4]` by a smooth absolute error; `still` is the newest latent.
    """
    code, latents, moved, own_motion = made
    difference = latents - target
    smooth = ((difference.square() + 1e-4).sqrt() * detail_weights(target)).mean()
    view = ((own_motion - motion).square() + 1e-4).sqrt().mean()
    loss = smooth + MOTION_WEIGHT * motion_loss(moved, still, target)
    loss = loss + VIEW_WEIGHT * view + CODE_WEIGHT * F.mse_loss(code, target_code)
    return loss, difference.detach().abs().mean((1, 2, 3))


def motion_loss(moved: Tensor, still: Tensor, target: Tensor) -> Tensor:
    """Mean over cells of the smaller error: of what moved, or of what stood still (Monodepth2's minimum, Godard 2019).

    It teaches the flow at once, where the painter would first learn to draw around it; the minimum keeps what never
    moves (the car in the middle, the indicators) from holding the flow back.
    """
    errors = [(x - target).abs().mean(1) for x in (moved, still)]
    return torch.minimum(*errors).mean()


def draw_levels(count: int, device: torch.device, noise_share: float = 0.45) -> Tensor:
    """Noise levels `[count]`: `noise_share` of them 1 (the first sampling step), the others uniform in [0.1, 1]."""
    levels = 0.1 + 0.9 * torch.rand(count, device=device)
    return torch.where(torch.rand(count, device=device) < noise_share, torch.ones_like(levels), levels)
