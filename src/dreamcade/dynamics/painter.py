"""From tokens to the next latent by motion compensation.

Most of a frame is the last frame, moved. The painter carries it along by a flow (one affine motion for the view plus a
correction per token), chooses for every cell between what moved and what stood still, and lets a small convolutional
network add what neither can know. Detail is moved, not drawn anew, so it stays sharp however long the play.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamcade.dynamics.config import DynamicsConfig
from dreamcade.dynamics.patches import unpatchify

VIEW_SCALE, TOKEN_SCALE = 0.001, 0.006
"""Network output 1 moves the view, or a token, by this share of half the frame."""

PLACE_SCALE = 30.0
"""What stands still in every frame (the player, an indicator panel) is a matter of place, learnt in tens of steps."""


class Painter(nn.Module):
    """Tokens `[B, L, D]` and the newest latent `[B, c, h, w]` → next latent `[B, c, h, w]`."""

    def __init__(self, config: DynamicsConfig) -> None:
        super().__init__()
        self.config = config
        self.view_motion = nn.Linear(config.tokens * config.width, 6)
        self.token_motion = nn.Linear(config.width, 2)
        self.features = nn.Linear(config.width, config.feature_channels * config.patch**2)
        channels = config.latent_channels
        inputs = 2 * channels + config.feature_channels
        self.first = nn.Conv2d(inputs, config.painter_width, 3, padding=1)
        self.second = nn.Conv2d(config.painter_width, config.painter_width, 3, padding=1)
        self.last = nn.Conv2d(config.painter_width, channels + channels // 3, 3, padding=1)
        self.place = nn.Parameter(torch.zeros(channels // 3, config.latent_height, config.latent_width))
        for layer in (self.view_motion, self.token_motion, self.last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            self.last.bias[channels:] = 1.0  # type: ignore[index]

    def forward(self, tokens: Tensor, latest: Tensor) -> tuple[Tensor, Tensor]:
        """The next latent, and the newest one as the flow alone would carry it, each `[B, c, h, w]`."""
        moved = self.move(latest, self.flow(tokens))
        features = unpatchify(self.features(tokens), self.config.patch, self.config.grid[0])
        x = torch.cat([moved, latest, features], 1).contiguous(memory_format=torch.channels_last)
        x = self.last(F.relu(self.second(F.relu(self.first(x)))))
        drawn, gate = x.split([latest.shape[1], latest.shape[1] // 3], 1)
        gate = (gate + PLACE_SCALE * self.place).sigmoid().repeat(1, 3, 1, 1)
        return latest + gate * (moved - latest) + drawn, moved

    def flow(self, tokens: Tensor) -> Tensor:
        """Tokens → where each pixel of the unfolded latent comes from, `[B, 2h, 2w, 2]`, x and y in [−1, 1]."""
        rows, columns = self.config.grid
        height, width = 2 * self.config.latent_height, 2 * self.config.latent_width
        still = torch.eye(2, 3, device=tokens.device, dtype=tokens.dtype)
        view = still + self.view_motion(tokens.flatten(1)).view(-1, 2, 3) * VIEW_SCALE
        own = self.token_motion(tokens).mul(TOKEN_SCALE).view(-1, rows, columns, 2).permute(0, 3, 1, 2)
        own = F.interpolate(own, size=(height, width), mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
        return F.affine_grid(view, [len(view), 1, height, width], align_corners=False) + own

    @staticmethod
    def move(latest: Tensor, flow: Tensor) -> Tensor:
        """Latents `[B, c, h, w]` fetched from where `flow` says, pixel by pixel of their unfolded form."""
        picture = F.pixel_shuffle(latest, 2)
        moved = F.grid_sample(picture, flow, mode="bicubic", padding_mode="border", align_corners=False)
        return F.pixel_unshuffle(moved, 2)
