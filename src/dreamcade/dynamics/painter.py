"""From tokens to the next latent by motion compensation.

Most of a frame is the last frame, moved. The painter carries it along by a flow (the view's motion plus a correction
per token), chooses for every cell between what moved and what stood still, and lets a small convolutional network add
what neither can know. Detail is moved, not drawn anew.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from dreamcade.dynamics import view
from dreamcade.dynamics.config import DynamicsConfig
from dreamcade.dynamics.patches import unpatchify

CHANGE_SCALE = 0.005
"""Network output 1 changes the view's motion by this share of its deviation."""

TOKEN_SCALE = 0.006
"""Network output 1 moves a token by this share of half the frame."""

PLACE_SCALE = 30.0
"""What stands still in every frame (the player, an indicator panel) is a matter of place, learnt in tens of steps."""


class Painter(nn.Module):
    """Tokens `[B, L, D]`, the newest latent `[B, c, h, w]`, the view's motion `[B, 4]` to expect → the next of both."""

    deviation: Tensor
    moving: Tensor

    def __init__(self, config: DynamicsConfig) -> None:
        super().__init__()
        self.config = config
        self.aspect = config.latent_height / config.latent_width
        self.motion_change = nn.Linear(config.tokens * config.width, view.NUMBERS)
        self.token_motion = nn.Linear(config.width, 2)
        self.features = nn.Linear(config.width, config.feature_channels * config.patch**2)
        channels = config.latent_channels
        inputs = 2 * channels + config.feature_channels + channels // 3
        self.first = nn.Conv2d(inputs, config.painter_width, 3, padding=1)
        self.last = nn.Conv2d(config.painter_width, channels + channels // 3, 3, padding=1)
        self.place = nn.Parameter(torch.zeros(channels // 3, config.latent_height, config.latent_width))
        self.register_buffer("deviation", torch.ones(view.NUMBERS))
        self.register_buffer("moving", torch.ones(1, 1, 2 * config.latent_height, 2 * config.latent_width))
        for layer in (self.motion_change, self.token_motion, self.last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    @torch.no_grad()
    def fit(self, before: Tensor, after: Tensor) -> None:
        """Finds from pairs of latents `[N, c, h, w]` how the view moves and which places move with it."""
        moving, advantage = view.find_moving_places(before, after)
        self.moving.copy_(moving)
        self.place.copy_((3 * advantage).clamp(-5, 5) / PLACE_SCALE)
        motion = view.measure_motion(view.grey(before), view.grey(after), self.moving)
        self.deviation.copy_(motion.std(0).clamp(min=1e-3))

    def measure(self, before: Tensor, after: Tensor) -> Tensor:
        """The view's motion `[B, 4]`, in deviations, from one latent `[B, c, h, w]` to the next."""
        return view.measure_motion(view.grey(before), view.grey(after), self.moving) / self.deviation

    def forward(self, tokens: Tensor, latest: Tensor, motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The next latent, the newest one as the flow alone would carry it, and the view's motion between them.

        `motion` is what to expect by inertia; the tokens correct it.
        """
        motion = motion + CHANGE_SCALE * self.motion_change(tokens.flatten(1))
        flow = self.flow(tokens, motion)
        moved, unseen = view.move(latest, flow), view.unseen(flow).to(latest.dtype)
        features = unpatchify(self.features(tokens), self.config.patch, self.config.grid[0])
        x = torch.cat([moved, latest, features, unseen], 1).contiguous(memory_format=torch.channels_last)
        x = self.last(F.relu(self.first(x)))
        drawn, gate = x.split([latest.shape[1], latest.shape[1] // 3], 1)
        gate = (gate + PLACE_SCALE * self.place).sigmoid()[:, None]
        still, carried = (rearrange(x, "b (colour k) h w -> b colour k h w", colour=3) for x in (latest, moved))
        carried = still.lerp(carried, gate).flatten(1, 2)
        return carried + drawn, moved, motion

    def flow(self, tokens: Tensor, motion: Tensor) -> Tensor:
        """Where each pixel of the unfolded latent comes from, float32 `[B, 2h, 2w, 2]`, x and y in [−1, 1].

        Always float32: at the picture's edge bfloat16 knows a place to a third of a pixel only.
        """
        rows, columns = self.config.grid
        height, width = 2 * self.config.latent_height, 2 * self.config.latent_width
        own = self.token_motion(tokens).float().mul(TOKEN_SCALE).view(-1, rows, columns, 2).permute(0, 3, 1, 2)
        own = F.interpolate(own, size=(height, width), mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
        whole = view.affine(motion.float() * self.deviation.float(), self.aspect)
        return F.affine_grid(whole, [len(whole), 1, height, width], align_corners=False) + own
