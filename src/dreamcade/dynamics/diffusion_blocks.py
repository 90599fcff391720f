"""The layers of a diffusion transformer, on fused kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamcade.dynamics.diffusion_config import FULL, DiffusionTransformerConfig
from dreamcade.dynamics.exchange import Exchange
from dreamcade.kernels.adaln import gate_residual_rms_modulate
from dreamcade.kernels.ring_attention import place_attention, ring_attention
from dreamcade.kernels.ring_cache import Ring, norm_rope_keep, norm_rope_write


@dataclass(frozen=True, slots=True)
class Moment:
    """When a frame is: its number, int64 `[B]` (so many are in the rings), and the cosines and sines of its places,
    float32 `[B, L, d / 2]`."""

    number: Tensor
    cos: Tensor
    sin: Tensor


class RingSelfAttention(nn.Module):
    """Attention of a frame to itself and to the frames in its layer's ring, with QK-norm and rotary positions."""

    def __init__(self, config: DiffusionTransformerConfig) -> None:
        super().__init__()
        self.full = config.attention == FULL
        self.project = nn.Linear(config.width, 3 * config.width, bias=False)
        self.query_norm = nn.Parameter(torch.ones(config.head_dim))
        self.key_norm = nn.Parameter(torch.ones(config.head_dim))
        self.out = nn.Linear(config.width if self.full else 2 * config.width, config.width, bias=False)

    def forward(self, x: Tensor, ring: Ring, own: Ring, moment: Moment, exchange: Exchange) -> Tensor:
        """This device's tokens `[B, l, D]` → `[B, l, D]`. The frame's keys and values go through `own`; both rings have
        this device's heads."""
        table = (moment.cos, moment.sin)
        qkv = exchange.to_heads(self.project(x), 3)
        query = norm_rope_write(qkv, own, moment.number, self.query_norm, self.key_norm, *table)
        if self.full:
            return self.out(exchange.to_tokens(ring_attention(query, ring, moment.number, own), 1))
        within = F.scaled_dot_product_attention(query, own.keys[:, :, 0], own.values[:, :, 0])
        before = place_attention(query, ring, moment.number)
        return self.out(exchange.to_tokens(torch.cat([within.transpose(1, 2).flatten(2), before], -1), 2))


class FeedForward(nn.Module):
    """A hidden layer, with GELU or gated (SwiGLU; Shazeer 2020)."""

    def __init__(self, config: DiffusionTransformerConfig) -> None:
        super().__init__()
        self.gated = config.feed_forward == "gated"
        self.widen = nn.Linear(config.width, config.hidden * (2 if self.gated else 1), bias=False)
        self.narrow = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens `[B, L, D]` → `[B, L, D]`."""
        if self.gated:
            gate, value = self.widen(x).chunk(2, -1)
            return self.narrow(F.silu(gate) * value)
        return self.narrow(F.gelu(self.widen(x), approximate="tanh"))


class Block(nn.Module):
    """Attention and a feed-forward layer. It receives its tokens normalised and leaves them so for the next block:
    each residual, gate, norm and modulation is one pass over the tokens."""

    def __init__(self, config: DiffusionTransformerConfig) -> None:
        super().__init__()
        self.attention = RingSelfAttention(config)
        self.feed_forward = FeedForward(config)

    def forward(
        self, x: Tensor, normed: Tensor, modulation: Sequence[Tensor], ring: Ring, own: Ring, moment: Moment,
        exchange: Exchange,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """This device's tokens `[B, l, D]`, as they are and normalised → the same of the next layer.

        `modulation`: gate, scale, shift after the attention, and the three after the feed-forward layer, `[B, D]`.
        """
        gate, scale, shift, gate_after, scale_after, shift_after = modulation
        mixed = self.attention(normed, ring, own, moment, exchange)
        x, normed = gate_residual_rms_modulate(x, gate, mixed, scale, shift)
        return gate_residual_rms_modulate(x, gate_after, self.feed_forward(normed), scale_after, shift_after)


class MemoryEntries(nn.Module):
    """What is remembered of a frame in every layer.

    Keys and values depend only on its clean tokens and on the action that led to it: never on noise or on other frames,
    so a cached entry equals a recomputed one, and writing it is a small product, not a pass.
    """

    def __init__(self, config: DiffusionTransformerConfig) -> None:
        super().__init__()
        self.from_tokens = nn.Parameter(torch.zeros(config.depth, 2 * config.width, config.token_size))
        self.from_action = nn.Linear(config.action_size, config.depth * 2 * config.width)
        self.key_norm = nn.Parameter(torch.ones(config.depth, config.head_dim))

    def forward(self, tokens: Tensor, action: Tensor, rings: Sequence[Ring], moment: Moment, heads: slice) -> None:
        """Writes a frame's clean tokens `[B, L, P]` and the action `[B, A]` that led to it into all layers' rings.

        These have the model's `heads` that are given.
        """
        weights = self._of_heads(self.from_tokens.mT, heads)
        shared = self.from_action(action.to(weights.dtype)).view(len(tokens), len(weights), 1, -1)
        shared, tokens = self._of_heads(shared, heads), tokens.to(weights.dtype)
        for i, ring in enumerate(rings):
            kv = torch.baddbmm(shared[:, i], tokens, weights[i].expand(len(tokens), -1, -1))
            norm_rope_keep(kv, ring, moment.number, self.key_norm[i], moment.cos, moment.sin)

    def _of_heads(self, both: Tensor, heads: slice) -> Tensor:
        """Keys and values `[…, 2·H·d]` → those of some heads, `[…, 2·h·d]`; of all of them, a view."""
        return both.view(*both.shape[:-1], 2, -1, self.key_norm.shape[1])[..., heads, :].flatten(-3)
