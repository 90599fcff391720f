"""What sequence parallelism sends, by formula: for the plan of devices. No PyTorch.

A rank's own part of an exchange stays where it is and counts as nothing. `rank` is from 0; where nothing divides the
ranks differ a little, and the last one sends the most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dreamcade.cluster.shares import shares

if TYPE_CHECKING:
    from dreamcade.dynamics.config import DynamicsConfig
    from dreamcade.dynamics.diffusion_config import DiffusionTransformerConfig

FLOAT32 = 4


def attention_exchange_bytes(tokens: int, heads: int, head_dim: int, ranks: int, rank: int, parts_back: int = 1,
                             size: int = 2) -> int:  # fmt: skip
    """One layer in one pass of one session, both exchanges, `size` bytes a number: queries, keys and values of the
    rank's tokens to the others' heads, and its heads' results (`parts_back` of them) to the others' tokens."""
    own_tokens, own_heads = shares(tokens, ranks)[rank], shares(heads, ranks)[rank]
    there = 3 * own_tokens * (heads - own_heads)
    back = parts_back * (tokens - own_tokens) * own_heads
    return size * head_dim * (there + back)


def gather_bytes(tokens: int, numbers: int, ranks: int, rank: int, size: int = FLOAT32) -> int:
    """The rank's tokens, of so many numbers each, to every other rank."""
    return size * shares(tokens, ranks)[rank] * numbers * (ranks - 1)


def diffusion_exchanges(config: DiffusionTransformerConfig) -> int:
    """Exchanges of a frame: two in each layer and step, and one for the frame. Observing a frame needs none."""
    return 2 * config.depth * len(config.sampling_levels) + 1


def diffusion_sent_bytes(config: DiffusionTransformerConfig, ranks: int, rank: int, size: int = 2) -> int:
    """What a rank sends for a frame of one session, `size` bytes a number inside."""
    parts_back = 1 if config.attention == "full" else 2
    of_layer = attention_exchange_bytes(
        config.tokens, config.heads, config.head_dim, ranks, rank, parts_back, size
    )  # fmt: skip
    passes = config.depth * len(config.sampling_levels)
    return passes * of_layer + gather_bytes(config.tokens, config.token_size, ranks, rank)


def world_exchanges(config: DynamicsConfig, steps: int | None = None) -> int:
    """Exchanges of a frame of a world: two in each layer and step, and one after each step."""
    return (2 * config.depth + 1) * (steps or len(config.sampling_levels))


def world_sent_bytes(config: DynamicsConfig, ranks: int, rank: int, size: int = 4, steps: int | None = None) -> int:
    """What a rank sends for a frame of one session of a world."""
    head_dim = config.width // config.heads
    of_layer = attention_exchange_bytes(config.tokens, config.heads, head_dim, ranks, rank, 1, size)
    of_step = gather_bytes(config.tokens, config.latent_channels, ranks, rank, size)
    return (steps or len(config.sampling_levels)) * (config.depth * of_layer + of_step)
