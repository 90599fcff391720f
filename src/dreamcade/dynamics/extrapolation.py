"""The next latent without a pass: where motion is smooth, it goes on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dreamcade.core.config import JsonConfig


@dataclass(frozen=True, slots=True)
class ExtrapolationConfig(JsonConfig):
    """When a frame may be extrapolated, as calibrated on held-out play.

    `action_distance` (τ): largest Euclidean distance of an action to the one before; `curvature`: largest relative
    curvature of the last three latents; `most_skips`: how many frames in a row.
    """

    action_distance: float
    curvature: float
    most_skips: int


def curvature(recent: Tensor) -> Tensor:
    """Tokens of the newest frames `[B, R, L, c]`, newest first, R ≥ 3 → `[B]`: the size of the change of the motion
    over the size of the motion; 0 for straight motion, and infinite where something begins to move."""
    motion, before = recent[:, 0] - recent[:, 1], recent[:, 1] - recent[:, 2]
    change = (motion - before).float().square().sum((1, 2)).sqrt()
    return change / motion.float().square().sum((1, 2)).sqrt().clamp(min=1e-6)


class Extrapolator(nn.Module):
    """The newest tokens, moved on by their last change, and kept where the codec's latents lie."""

    low: Tensor
    high: Tensor

    def __init__(self, config: ExtrapolationConfig, tokens: int, channels: int) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("low", torch.full((tokens, channels), -1e4))
        self.register_buffer("high", torch.full((tokens, channels), 1e4))

    def forward(self, recent: Tensor, actions: Tensor, ahead: float = 1.0) -> Tensor:
        """Tokens of the newest frames `[B, R, L, c]`, newest first, and the actions `[B, history, A]`, newest last →
        the tokens `[B, L, c]` at `ahead` ticks (a fraction for a frame in between)."""
        return (recent[:, 0] + ahead * (recent[:, 0] - recent[:, 1])).clamp(self.low, self.high)
