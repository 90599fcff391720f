"""How much arithmetic a diffusion transformer's frame is, by formula: for benches and for the plan of devices.

A multiplication and its addition count as two; norms, gates and activations, a thousandth of the whole, as none.
"""

from __future__ import annotations

from dreamcade.dynamics.diffusion_config import FULL, DiffusionTransformerConfig


def attention_flops(config: DiffusionTransformerConfig, cached: int | None = None) -> int:
    """Scores and mixing of one layer in one pass of one session, with `cached` frames in memory (all, by default)."""
    cached = config.memory if cached is None else min(cached, config.memory)
    seen = (1 + cached) * config.tokens if config.attention == FULL else config.tokens + cached
    return 4 * config.tokens * seen * config.width


def layer_flops(config: DiffusionTransformerConfig, cached: int | None = None) -> int:
    """One block in one pass of one session."""
    out = 1 if config.attention == FULL else 2
    middle = 2 if config.feed_forward == "gelu" else 3
    weights = (3 + out) * config.width**2 + middle * config.width * config.hidden
    return 2 * config.tokens * weights + attention_flops(config, cached)


def pass_flops(config: DiffusionTransformerConfig, cached: int | None = None) -> int:
    """One sampling step of one session: tokens in, all blocks, tokens out."""
    ends = 2 * 2 * config.tokens * config.token_size * config.width
    return ends + config.depth * layer_flops(config, cached)


def frame_flops(config: DiffusionTransformerConfig, cached: int | None = None) -> int:
    """One frame of one session: its sampling steps, and what they share (newest frames, modulations, cache write)."""
    steps, condition = len(config.sampling_levels), config.condition_width
    recent = 2 * config.tokens * config.recent * config.token_size * config.width
    features = 2 * config.action_history * config.action_size + 32
    modulation = 2 * steps * condition * (features + condition + config.modulation_rows * config.width)
    entries = 2 * config.depth * 2 * config.width * (config.tokens * config.token_size + config.action_size)
    return steps * pass_flops(config, cached) + recent + modulation + entries


def cache_bytes(config: DiffusionTransformerConfig, bits: int = 16) -> int:
    """Bytes of one session's ring caches, with their scales."""
    vector = {16: 2 * config.head_dim, 8: config.head_dim + 2, 4: config.head_dim // 2 + 4}[bits]
    return 2 * config.depth * config.memory * config.tokens * config.heads * vector
