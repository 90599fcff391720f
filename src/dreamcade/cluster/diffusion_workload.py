"""A diffusion transformer's half of a workload, by formula."""

from __future__ import annotations

from typing import Any

from dreamcade.cluster.workload import FLOAT16
from dreamcade.dynamics.diffusion_bytes import layer_shapes, pass_bytes
from dreamcade.dynamics.diffusion_config import FULL, DiffusionTransformerConfig
from dreamcade.dynamics.diffusion_flops import attention_flops, cache_bytes, frame_flops, pass_flops

LEVEL_FEATURES = 32
ENDS_LAUNCHES = 12
"""Of a pass, before and after its blocks; and as many once a frame."""


def diffusion_fields(config: DiffusionTransformerConfig) -> dict[str, Any]:
    """The fields of `Workload` that the dynamics decides, weights and caches in bfloat16, on the fused kernels.

    Attention exchanges queries, keys and values in one all-to-all a layer, and its outcome in a second one. Tokens are
    gathered once, when the frame is made; their few bytes count as nothing.
    """
    steps, passed = len(config.sampling_levels), pass_flops(config)
    heads = config.depth * attention_flops(config)
    outcomes = 1 if config.attention == FULL else 2
    exchanged = FLOAT16 * config.depth * config.tokens * config.width * (3 + outcomes)
    held = FLOAT16 * config.tokens * (2 * config.width + 2 * config.hidden)
    modulations = FLOAT16 * steps * config.modulation_rows * config.width
    return {
        "tokens": config.tokens, "heads": config.heads, "head_dim": config.head_dim, "depth": config.depth,
        "steps": steps, "context": config.memory, "attention": config.attention,
        "token_flops": passed - heads, "head_flops": heads, "frame_flops": frame_flops(config) - steps * passed,
        "weight_bytes": FLOAT16 * weights(config), "cache_bytes": cache_bytes(config),
        "token_bytes": pass_bytes(config).between, "dit_activation_bytes": held + modulations,
        # Two products of attention and its norm and rotation, two of the feed-forward layer and what is between them,
        # twice gate, residual and norm; attention once, or twice and put together.
        "launches": config.depth * (8 + (1 if config.attention == FULL else 3)) + ENDS_LAUNCHES,
        "frame_launches": 2 * config.depth + ENDS_LAUNCHES,
        "exchanges": 2 * config.depth, "frame_exchanges": 1, "exchange_bytes": exchanged,
        "latent_bytes": FLOAT16 * config.tokens * config.token_size,
    }  # fmt: skip


def weights(config: DiffusionTransformerConfig) -> int:
    """Numbers in its weights; norms and biases, a thousandth of them, left out."""
    blocks = config.depth * sum(inputs * outputs for inputs, outputs in layer_shapes(config))
    ends = (config.recent + 2) * config.token_size * config.width
    features = 2 * config.action_history * config.action_size + LEVEL_FEATURES
    modulation = config.condition_width * (features + config.condition_width + config.modulation_rows * config.width)
    entries = 2 * config.depth * config.width * (config.token_size + config.action_size)
    return blocks + ends + modulation + entries
