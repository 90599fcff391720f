"""Attention within a frame, and from a frame to the cached past."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from dreamcade.dynamics.config import DynamicsConfig
from dreamcade.dynamics.exchange import ALONE, Exchange


class SpatialAttention(nn.Module):
    """Self-attention among the tokens of one frame, with QK-norm."""

    def __init__(self, config: DynamicsConfig) -> None:
        super().__init__()
        self.head_dim = config.width // config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=False)
        self.query_norm = nn.LayerNorm(config.width // config.heads)
        self.key_norm = nn.LayerNorm(config.width // config.heads)
        self.out = nn.Linear(config.width, config.width, bias=False)

    def forward(self, x: Tensor, exchange: Exchange = ALONE) -> Tensor:
        """This device's tokens `[B, l, D]` → `[B, l, D]`; between the two it has all tokens and its own heads."""
        qkv = exchange.to_heads(self.qkv(x), 3)
        query, key, value = rearrange(qkv, "b l (n h d) -> n b h l d", n=3, d=self.head_dim)
        mixed = attend(self.query_norm(query), self.key_norm(key), value)
        return self.out(exchange.to_tokens(rearrange(mixed, "b h l d -> b l (h d)"), 1))


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of `[B, H, L, d]`. With gradients on a CPU as two products: for a frame's few tokens the fused kernel's
    way back takes six times as long there."""
    if query.device.type == "cpu" and torch.is_grad_enabled():
        scores = query @ key.mT * query.shape[-1] ** -0.5
        return scores.softmax(-1).to(value.dtype) @ value
    return F.scaled_dot_product_attention(query, key, value)


class MemoryAttention(nn.Module):
    """Each token looks at its own place in the last `memory` frames.

    Keys and values depend only on a past frame's tokens and the action that led to it, never on noise or on other
    frames, so a cached entry equals a recomputed one. Position in time is a learnt bias by age: it needs no absolute
    clock and holds however long the play.
    """

    def __init__(self, config: DynamicsConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query = nn.Linear(config.width, config.width, bias=False)
        self.key_value = nn.Linear(config.latent_channels + config.action_size, 2 * config.width)
        self.query_norm = nn.LayerNorm(config.width // config.heads)
        self.key_norm = nn.LayerNorm(config.width // config.heads)
        self.age_bias = nn.Parameter(torch.zeros(config.heads, config.memory))
        self.out = nn.Linear(config.width, config.width, bias=False)
        nn.init.zeros_(self.out.weight)

    def entries(self, frames: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens `[B, N, L, c]` and the actions that led to them `[B, N, A]` → keys, values, each `[B, N, L, D]`."""
        actions = actions[:, :, None].expand(-1, -1, frames.shape[2], -1).to(frames.dtype)
        key, value = self.key_value(torch.cat([frames, actions], -1)).chunk(2, -1)
        key = self.key_norm(rearrange(key, "b n l (h d) -> b n l h d", h=self.heads))
        return rearrange(key, "b n l h d -> b n l (h d)"), value

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, ages: Tensor) -> Tensor:
        """Tokens `[B, L, D]`; keys, values `[B, N, L, D]`; `ages` int64 `[B, N]`, negative where a slot is empty."""
        query = self.query_norm(rearrange(self.query(x), "b l (h d) -> b 1 l h d", h=self.heads))
        keys, values = (rearrange(t, "b n l (h d) -> b n l h d", h=self.heads) for t in (keys, values))
        # One query per place meets a handful of frames: products and sums are quicker here than tiny matrices.
        scores = (query * keys).sum(-1) * query.shape[-1] ** -0.5
        bias = rearrange(self.age_bias[:, ages.clamp(min=0)], "h b n -> b n 1 h")
        weights = (scores + bias.masked_fill((ages < 0)[:, :, None, None], -1e4)).softmax(1)
        return self.out((weights[..., None] * values).sum(1).flatten(2))
