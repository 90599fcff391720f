"""What the newest latent would be if everything in it only moved on.

Of a latent a small picture is drawn, that is moved, and what changes by it is told to the latent again; both maps are
linear. The motion that made the last frame of the one before is measured in such pictures; the next one follows from
it, the actions and what is to be seen. So what moves is carried over whole, and need not fit through the transformer's
width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamcade.dynamics.config import DynamicsConfig
from dreamcade.dynamics.motion import FINE, TERMS, Grid, MotionMeter

STILL = 0.015
"""Of a cell: motions below are mostly taken for none, since moving blurs a little, and standing still lasts long."""


class Movement(nn.Module):
    """Tokens of the newest frames → the newest one's, moved."""

    draw: Tensor
    backdrop: Tensor
    tell: Tensor
    moves: Tensor
    usual: Tensor

    def __init__(self, config: DynamicsConfig) -> None:
        super().__init__()
        self.config = config
        rows, columns, points = config.latent_height, config.latent_width, config.motion_points
        c, numbers = config.latent_channels, 3 * points**2
        self.grid, self.meter = Grid(rows, columns, points), MotionMeter(rows, columns)
        self.register_buffer("draw", torch.zeros(c, numbers))
        self.register_buffer("backdrop", torch.zeros(config.tokens, numbers))
        self.register_buffer("tell", torch.zeros(numbers, c))
        self.register_buffer("moves", torch.ones(1, 1, rows * points, columns * points))
        self.register_buffer("usual", torch.ones(2 * TERMS))
        self.expect = Expectation(config)

    def forward(
        self, recent: Tensor, actions: Tensor, told: Tensor | None = None, ahead: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Tokens `[B, R, L, c]`, newest first, and features of the actions `[B, F]` → tokens `[B, L, c]`, moved, and
        the expected motion over the usual ones `[B, 12]`. Where another motion is `told`, that is applied; `ahead` is
        the part of a tick that passes.

        Motions are measured and applied in float32 whatever the tokens are in.
        """
        with torch.autocast(recent.device.type, enabled=False):
            pictures = self.pictures(recent[:, :2])
            with torch.no_grad():
                last = self.measure(pictures[:, 0], pictures[:, -1])
            expected = self.expect(pictures[:, 0], last, actions)
            change = self.change(pictures[:, 0], ahead * (expected if told is None else told).float())
        return recent[:, 0] + change.to(recent.dtype), expected

    def pictures(self, tokens: Tensor) -> Tensor:
        """Tokens `[…, L, c]` → pictures `[…, 3, h, w]`, as far as a linear map of each cell can draw them."""
        folded = tokens.float() @ self.draw.float() + self.backdrop.float()
        cells = self.config.latent_height, self.config.latent_width
        folded = folded.transpose(-1, -2).reshape(*folded.shape[:-2], -1, *cells)
        return F.pixel_shuffle(folded, self.config.motion_points)

    def change(self, pictures: Tensor, motion: Tensor) -> Tensor:
        """Change of the tokens `[B, L, c]` when pictures `[B, 3, h, w]` move by motions over the usual `[B, 12]`.

        What never moves with the view stays, and nothing moves out of it either.
        """
        motions = (motion * self.usual.float()).view(-1, 2, TERMS)
        far = motions.square().sum((1, 2), keepdim=True)
        motions = motions * (far / (far + STILL**2))
        moves = self.moves.float()
        moved, source = self.moved(pictures, motions)
        differences = moves * source * (moved - pictures)
        folded = F.pixel_unshuffle(differences, self.config.motion_points).flatten(2)
        return folded.transpose(-1, -2) @ self.tell.float()

    def moved(self, pictures: Tensor, motions: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures `[B, 3, h, w]` after motions `[B, 2, 6]`, and how much moves what came to each point."""
        both = torch.cat([pictures, self.moves.float().expand(len(pictures), -1, -1, -1)], 1)
        moved, source = self.grid.move(both, motions).split_with_sizes([3, 1], 1)
        return moved, source.clamp(0, 1)

    def measure(self, now: Tensor, before: Tensor) -> Tensor:
        """The motion over the usual ones `[B, 12]` that made pictures `now` of `before`, each `[B, 3, h, w]`."""
        reduce = self.config.motion_points // FINE
        grey = [F.avg_pool2d(x.mean(1, keepdim=True), reduce) for x in (now, before)]
        weight = F.avg_pool2d(self.moves.float(), reduce)
        motions: Tensor = self.meter(*grey, weight)
        return motions.flatten(1) / self.usual.float()

    def measure_tokens(self, now: Tensor, before: Tensor) -> Tensor:
        """The same from tokens `[B, L, c]`."""
        with torch.autocast(now.device.type, enabled=False):
            return self.measure(self.pictures(now), self.pictures(before))


class Expectation(nn.Module):
    """Which motion comes next: the last one goes on, bent by the actions and by what stands in the way."""

    LOOKED = 96

    def __init__(self, config: DynamicsConfig) -> None:
        super().__init__()
        self.reduce = config.motion_points // FINE
        features = 2 * TERMS + 2 * config.action_history * config.action_size
        self.go_on = nn.Linear(features, 2 * TERMS)
        self.look = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * config.tokens, self.LOOKED),  # FINE = 2³: one place a cell is left
        )
        last = nn.Linear(192, 2 * TERMS)
        self.bend = nn.Sequential(nn.Linear(features + self.LOOKED, 192), nn.SiLU(), last)
        for layer in (self.go_on, last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, pictures: Tensor, last: Tensor, actions: Tensor) -> Tensor:
        """Pictures `[B, 3, h, w]`, the last motion over the usual ones `[B, 12]` and features of the actions `[B, F]` →
        the next motion over the usual ones `[B, 12]`."""
        dtype = self.go_on.weight.dtype
        known = torch.cat([last, actions.float()], 1).to(dtype)
        seen = self.look(F.avg_pool2d(pictures, self.reduce).to(dtype))
        motion: Tensor = self.go_on(known) + self.bend(torch.cat([known, seen], 1))
        return motion
