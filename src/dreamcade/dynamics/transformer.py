"""The transformer over one frame's tokens, conditioned on noise level, past actions and an overview (AdaLN)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from dreamcade.dynamics.attention import MemoryAttention, SpatialAttention
from dreamcade.dynamics.config import DynamicsConfig
from dreamcade.dynamics.exchange import ALONE, Exchange

GoOn = Callable[[], bool]
"""Asked in the middle of a pass whether anybody still wants it."""


class Abandoned(Exception):
    """A pass was given up in its middle: nobody wants its frames any more."""


class Block(nn.Module):
    """Spatial attention, memory attention in some blocks, and an MLP with squared ReLU; modulated and gated."""

    def __init__(self, config: DynamicsConfig, has_memory: bool) -> None:
        super().__init__()
        self.attention = SpatialAttention(config)
        self.memory = MemoryAttention(config) if has_memory else None
        self.widen = nn.Linear(config.width, 4 * config.width, bias=False)
        self.narrow = nn.Linear(4 * config.width, config.width, bias=False)

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        cache: tuple[Tensor, Tensor, Tensor] | None,
        exchange: Exchange = ALONE,
    ) -> Tensor:
        """This device's tokens `[B, l, D]`, modulation `[B, 6, 1, D]`, cache (keys, values, ages) → `[B, l, D]`.

        Memory attention is each place's own, so its cache is shared by tokens and asks nobody.
        """
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = modulation.unbind(1)
        size = x.shape[-1:]
        x = torch.addcmul(x, gate_a, self.attention(modulate(F.layer_norm(x, size), scale_a, shift_a), exchange))
        if self.memory is not None and cache is not None:
            x = x + self.memory(F.layer_norm(x, size), *cache)
        hidden = F.relu(self.widen(modulate(F.layer_norm(x, size), scale_m, shift_m)))
        return torch.addcmul(x, gate_m, self.narrow(hidden * hidden))


def modulate(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """x · (1 + scale) + shift."""
    return torch.addcmul(x + shift, x, scale)


class Overview(nn.Module):
    """What the newest picture as a whole tells (speed, turning, what is shown): a few numbers of every cell and of its
    last change, joined to one vector."""

    CELL_WIDTH = 16

    def __init__(self, config: DynamicsConfig) -> None:
        super().__init__()
        self.look = nn.Linear(2 * config.latent_channels, self.CELL_WIDTH)
        self.join = nn.Linear(self.CELL_WIDTH * config.tokens, config.condition_width)
        nn.init.normal_(self.join.weight, std=0.01)

    def forward(self, recent: Tensor) -> Tensor:
        """Tokens of the newest frames `[B, R, L, c]`, newest first → `[B, C]`."""
        newest, before = recent[:, 0], recent[:, min(1, recent.shape[1] - 1)]
        return self.join(F.relu(self.look(torch.cat([newest, newest - before], -1))).flatten(1))


class Transformer(nn.Module):
    """Tokens `[B, L, D]` through all blocks; the modulations of all of them are one matrix product."""

    frequencies: Tensor

    def __init__(self, config: DynamicsConfig) -> None:
        super().__init__()
        self.config = config
        self.position = nn.Parameter(0.02 * torch.randn(config.tokens, config.width))
        self.blocks = nn.ModuleList(Block(config, i in config.memory_layers) for i in range(config.depth))
        self.condition = nn.Sequential(
            nn.Linear(2 * config.action_history * config.action_size + 32, config.condition_width),
            nn.SiLU(),
            nn.Linear(config.condition_width, config.condition_width),
        )
        self.register_buffer("frequencies", 2.0 ** (0.4 * torch.arange(16)) * torch.pi / 2, persistent=False)
        self.modulation = nn.Linear(config.condition_width, config.depth * 6 * config.width)
        nn.init.normal_(self.modulation.weight, std=0.02)
        with torch.no_grad():
            bias = self.modulation.bias.zero_().view(config.depth, 6, config.width)
            bias[:, 2], bias[:, 5] = 0.5, 0.5

    def forward(
        self,
        x: Tensor,
        level: Tensor,
        actions: Tensor,
        overview: Tensor,
        memory: list[tuple[Tensor, Tensor]],
        ages: Tensor,
        go_on: GoOn | None = None,
        exchange: Exchange = ALONE,
    ) -> Tensor:
        """All tokens `[B, L, D]` → this device's, `[B, l, D]`.

        Noise level `[B]` in [0, 1]; `actions` `[B, history, A]`; `overview` `[B, C]`; memory (keys, values) per memory
        layer and ages `[B, N]` as in `Context`. Raises `Abandoned` where `go_on`, asked before each block, says no.
        """
        condition = self.condition(torch.cat([self.level_features(level), action_features(actions)], 1)) + overview
        modulation = rearrange(self.modulation(F.silu(condition)), "b (n s d) -> n b s 1 d", n=self.config.depth, s=6)
        caches = iter(memory)
        x = exchange.own(x + self.position)
        for block, values in zip(self.blocks, modulation, strict=True):
            if go_on is not None and not go_on():
                raise Abandoned
            cache = (*next(caches), ages) if block.memory is not None else None
            x = block(x, values, cache, exchange)
        return F.layer_norm(x, x.shape[-1:])

    def level_features(self, level: Tensor) -> Tensor:
        """Noise level `[B]` in [0, 1] → sines and cosines `[B, 32]`."""
        angles = level[:, None] * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], 1)


def action_features(actions: Tensor) -> Tensor:
    """Actions `[B, history, A]` → `[B, 2·history·A]`: as they are, and with small settings enlarged.

    Many controls saturate (a wheel that is full over at 0.4): there, how an axis differs from rest says more than how
    far it is pushed.
    """
    return torch.cat([actions, torch.tanh(4 * actions)], 1).flatten(1)
