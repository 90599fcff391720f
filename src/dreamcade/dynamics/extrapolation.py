"""The next latent without a pass: where motion is smooth, it goes on.

A cell of a latent shows many pixels, and what moves by some of them turns its numbers about: z + (z − z_prev) lies
farther from the next latent than z does. A world that expects motions (see `movement`) moves its picture on by the next
one, which keeps it sharp; in any other, a small network has learnt the change to come from the last ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from dreamcade.core.config import JsonConfig
from dreamcade.core.errors import BadInputError
from dreamcade.dynamics.config import DynamicsConfig
from dreamcade.dynamics.movement import Movement
from dreamcade.dynamics.transformer import action_features, modulate

SEEN = 3
"""Newest frames that an extrapolation follows from."""


@dataclass(frozen=True, slots=True)
class ExtrapolationConfig(JsonConfig):
    """When a frame may be extrapolated, as calibrated on held-out play.

    `action_distance` (τ): largest Euclidean distance of an action to the one before; `curvature`: largest relative
    curvature of the last three latents; `most_skips`: how many frames in a row; `width` of the network that tells the
    change, or 0 where the world's own movement does.
    """

    action_distance: float
    curvature: float
    most_skips: int
    width: int = 256

    def __post_init__(self) -> None:
        if self.most_skips < 0 or self.width < 0:
            raise BadInputError(f"most_skips and width must be at least 0; got {self}")


def curvature(recent: Tensor) -> Tensor:
    """Tokens of the newest frames `[B, R, L, c]`, newest first → `[B]`: the size of the change of the motion over the
    size of the motion; 0 for straight motion, and very large where something begins to move. Where R is 2, nothing is
    known of the motion before, and it is 1."""
    last = recent.shape[1] - 1
    motion, before = recent[:, 0] - recent[:, 1], recent[:, 1] - recent[:, min(2, last)]
    change = (motion - before).float().square().sum((1, 2)).sqrt()
    return change / motion.float().square().sum((1, 2)).sqrt().clamp(min=1e-6)


def straight_on(recent: Tensor, ahead: float = 1.0) -> Tensor:
    """z + ahead · (z − z_prev): tokens `[B, R, L, c]`, newest first → `[B, L, c]`. What ours is measured against."""
    return recent[:, 0] + ahead * (recent[:, 0] - recent[:, 1])


class Extrapolator(nn.Module):
    """The newest tokens and their change to come, kept where the latents of real play lie."""

    low: Tensor
    high: Tensor

    def __init__(self, config: ExtrapolationConfig, dynamics: DynamicsConfig) -> None:
        super().__init__()
        if not config.width and not dynamics.motion_points:
            raise BadInputError("a world without movement needs an extrapolator of some width; got 0")
        self.config = config
        self.movement = Movement(dynamics) if not config.width else None
        self.network = ChangeNetwork(config.width, dynamics) if config.width else None
        self.register_buffer("low", torch.full((dynamics.tokens, dynamics.latent_channels), -1e4))
        self.register_buffer("high", torch.full((dynamics.tokens, dynamics.latent_channels), 1e4))

    def forward(self, recent: Tensor, actions: Tensor, ahead: float = 1.0) -> Tensor:
        """Tokens of the newest frames `[B, R, L, c]`, newest first, and the actions `[B, history, A]`, newest last →
        the tokens `[B, L, c]` at `ahead` ticks (a fraction for a frame in between)."""
        if self.movement is not None:
            made, _ = self.movement(recent, action_features(actions), ahead=ahead)
        else:
            assert self.network is not None
            made = recent[:, 0] + ahead * self.network(recent, actions)
        return made.clamp(self.low, self.high)


class ChangeNetwork(nn.Module):
    """By how much tokens change within a tick, as neighbouring cells, the view as a whole and the actions tell it."""

    def __init__(self, width: int, dynamics: DynamicsConfig) -> None:
        super().__init__()
        channels, self.rows = dynamics.latent_channels, dynamics.latent_height
        self.look = nn.Conv2d(SEEN * channels, width, 3, padding=1)
        self.position = nn.Parameter(torch.zeros(dynamics.tokens, width))
        self.act = nn.Linear(2 * dynamics.action_history * dynamics.action_size, width)
        self.overview = nn.Linear(2 * width, 2 * width)
        self.middle = nn.Linear(width, width)
        self.leave = nn.Linear(width, channels)
        for layer in (self.overview, self.leave):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, recent: Tensor, actions: Tensor) -> Tensor:
        """Tokens of the newest frames `[B, R, L, c]` and the actions `[B, history, A]` → their change `[B, L, c]`."""
        last = recent.shape[1] - 1
        now, before, earlier = recent[:, 0], recent[:, min(1, last)], recent[:, min(2, last)]
        seen = torch.cat([now, now - before, before - earlier], -1)
        cells = self.look(rearrange(seen, "b (h w) c -> b c h w", h=self.rows)).flatten(2).mT + self.position
        acted = self.act(action_features(actions))
        whole = self.overview(torch.cat([F.silu(cells + acted[:, None]).mean(1), F.silu(acted)], 1))
        shift, scale = whole[:, None].chunk(2, -1)
        hidden = F.silu(self.middle(F.silu(modulate(cells, scale, shift))))
        change: Tensor = self.leave(hidden)
        return change
