"""How the view moves from one frame to the next: one similarity (turn, zoom, shift) for the whole picture.

A camera that follows the player moves everything at once. That motion has inertia, so the dynamics predict it as a
change to the last ones; of recorded frames it is measured, by Gauss-Newton on their grey pictures, coarse to fine
(Baker and Matthews 2004). Places that never move with the view, such as the player in the middle or an indicator
panel, are found from the recordings and left out.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import reduce
from torch import Tensor

NUMBERS = 4
"""A motion `[B, 4]`: scale·cos(turn) − 1, scale·sin(turn), shift in x, shift in y (1 = half the picture)."""

PYRAMID = ((16, 6), (8, 10), (4, 6), (2, 3))
"""Pixels averaged into one, and Gauss-Newton steps taken there."""

OUTLIER = 0.2
"""Grey error, in deviations, from which on a pixel loses its say."""

STRIDE = 1.3
"""Over-relaxation: pixels that are still far off have little say, so that plain steps fall short."""

ZOOM_COST = 1.0
"""Squared grey error per pixel that a zoom by 1 must save: few cameras zoom, and noise looks like it."""

ADVANTAGE = 0.2
"""Logarithm of still error over moved error from which on a place counts as moving with the view."""

SMALL_ACTIONS = 4.0
"""How much small actions are enlarged."""


def affine(motion: Tensor, aspect: float) -> Tensor:
    """Motions `[B, 4]` → matrices `[B, 2, 3]` for `affine_grid`: where each pixel of the next frame comes from.

    `aspect` is height / width of the picture.
    """
    cosine, sine, right, down = (motion + motion.new_tensor([1.0, 0.0, 0.0, 0.0])).unbind(1)
    rows = [torch.stack([cosine, -sine * aspect, right], 1), torch.stack([sine / aspect, cosine, down], 1)]
    return torch.stack(rows, 1)


def grey(latents: Tensor) -> Tensor:
    """Latents `[B, c, h, w]` → their small pictures' mean over colours `[B, 1, 2h, 2w]`."""
    return F.pixel_shuffle(latents, 2).mean(1, keepdim=True)


@torch.no_grad()
def measure_motion(before: Tensor, after: Tensor, weights: Tensor) -> Tensor:
    """The motions `[B, 4]` that carry grey pictures `before` `[B, 1, H, W]` to `after`; `weights` `[1, 1, H, W]`."""
    before, after, weights = before.float(), after.float(), weights.float()
    motion = before.new_zeros(len(before), NUMBERS)
    aspect = before.shape[2] / before.shape[3]
    for size, steps in PYRAMID:
        if min(before.shape[2:]) < 6 * size:
            continue
        source, target, weight = (F.avg_pool2d(x, size) for x in (before, after, weights))
        for _ in range(steps):
            step = STRIDE * _gauss_newton(source, target, weight, motion, aspect)
            motion = motion + step.clamp(-0.2, 0.2)
    return motion


def _gauss_newton(source: Tensor, target: Tensor, weight: Tensor, motion: Tensor, aspect: float) -> Tensor:
    """One step towards the motion of least squares, `[B, 4]`, with far-off pixels weighted down."""
    batch, _, height, width = source.shape
    grid = F.affine_grid(affine(motion, aspect), [batch, 1, height, width], align_corners=False)
    moved = F.grid_sample(source, grid, mode="bilinear", padding_mode="border", align_corners=False)
    error = (target - moved).flatten(1)
    inside = (grid.abs() < 1).all(-1).flatten(1)
    trust = weight.flatten(1) * inside / (1 + (error / OUTLIER).square())
    slope_x = F.pad(moved[..., 2:] - moved[..., :-2], (1, 1)).flatten(1) * (width / 4)
    slope_y = F.pad(moved[:, :, 2:] - moved[:, :, :-2], (0, 0, 1, 1)).flatten(1) * (height / 4)
    still = torch.eye(2, 3, device=source.device)[None]
    x, y = F.affine_grid(still, [1, 1, height, width], align_corners=False).flatten(0, 2).unbind(1)
    slopes = [slope_x * x + slope_y * y, slope_y * x / aspect - slope_x * y * aspect, slope_x, slope_y]
    jacobian = torch.stack(slopes, -1)
    weighted = (jacobian * trust[..., None]).transpose(1, 2)
    normal, gradient = weighted @ jacobian, weighted @ error[..., None]
    cost = ZOOM_COST * trust.sum(1)
    normal[:, 0, 0] += cost
    gradient[:, 0, 0] -= cost * motion[:, 0]
    # Damping: a picture without structure does not move.
    damping = 1e-3 * (1 + normal.diagonal(dim1=1, dim2=2).mean(-1))
    normal = normal + damping[:, None, None] * torch.eye(NUMBERS, device=source.device)
    return torch.linalg.solve(normal, gradient)[..., 0]


def move(latents: Tensor, flow: Tensor) -> Tensor:
    """Latents `[B, c, h, w]` fetched from where `flow` `[B, 2h, 2w, 2]` says, pixel by pixel of their unfolded form.

    x and y of the flow, float32, are in [−1, 1]; what lies outside repeats the border.
    """
    picture = F.pixel_shuffle(latents, 2).float()
    moved = F.grid_sample(picture, flow, mode="bicubic", padding_mode="border", align_corners=False)
    return F.pixel_unshuffle(moved, 2).to(latents.dtype)


def driving(motions: Tensor, actions: Tensor) -> Tensor:
    """Motions `[B, 2, 4]` and actions `[B, history, A]`, newest last, in one row `[B, 8 + 2·history·A]`.

    Actions come twice, as they are and with small ones enlarged: a wheel that is turned a little often counts for much.
    """
    return torch.cat([motions.flatten(1), actions.flatten(1), (SMALL_ACTIONS * actions).tanh().flatten(1)], 1)


def follow(motions: Tensor, motion: Tensor) -> Tensor:
    """Motions `[B, 2, 4]`, newest last, once `motion` `[B, 4]` has followed them."""
    return torch.stack([motions[:, 1], motion], 1)


def unseen(flow: Tensor) -> Tensor:
    """Which pixels a flow `[B, 2h, 2w, 2]` fetches from outside the picture: 1 there, else 0, `[B, 4, h, w]`."""
    outside = (flow.detach().abs().amax(-1) > 1).to(flow.dtype)
    return F.pixel_unshuffle(outside[:, None], 2)


@torch.no_grad()
def find_moving_places(before: Tensor, after: Tensor, rounds: int = 3) -> tuple[Tensor, Tensor]:
    """Which places move with the view, from pairs of latents `[N, c, h, w]`.

    Measures the motions, compares per place what moved with what stood still, and measures again without the places
    that stand. Returns weights for `measure_motion`, 0 or 1, `[1, 1, 2h, 2w]`, and the logarithm of still error over
    moved error, `[c // 3, h, w]`.
    """
    aspect = before.shape[2] / before.shape[3]
    grey_before, grey_after = grey(before), grey(after)
    weights = torch.ones_like(grey_before[:1])
    for _ in range(rounds):
        motion = measure_motion(grey_before, grey_after, weights)
        flow = F.affine_grid(affine(motion, aspect), list(F.pixel_shuffle(before, 2).shape), align_corners=False)
        still, moved = (
            reduce((x - after).abs(), "n (colour k) h w -> k h w", "mean", colour=3)
            for x in (before, move(before, flow))
        )
        advantage = ((still + 1e-3) / (moved + 1e-3)).log()
        weights = (F.pixel_shuffle(advantage[None], 2) > ADVANTAGE).float()
    return weights, advantage
