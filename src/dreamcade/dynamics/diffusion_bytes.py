"""How many bytes a diffusion transformer's frame moves on the fused kernels, by formula: for benches.

`Moved.all`: every operation reads what it is given once and writes what it makes once. `Moved.least`: what had to move
even if nothing between two operations ever left the chip, weights and caches. Small rows (modulations, norms' weights,
angles) count as nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from dreamcade.dynamics.diffusion_config import FULL, DiffusionTransformerConfig
from dreamcade.dynamics.diffusion_flops import cache_bytes
from dreamcade.kernels.packed_layers import GROUP

FLOAT32 = 4


@dataclass(frozen=True, slots=True)
class Moved:
    """Bytes, read and written."""

    least: int
    between: int
    """Tokens from one operation to the next."""

    @property
    def all(self) -> int:
        return self.least + self.between


def pass_bytes(config: DiffusionTransformerConfig, bits: int = 16, size: int = 2, weight_bits: int = 16) -> Moved:
    """One sampling step of one session, its memory full. `size` bytes a number; the ring caches in 16 (which stands for
    `size` bytes), 8 or 4 bits, and likewise the weights of the blocks."""
    rows, numbers = config.tokens * config.width, config.tokens * config.token_size
    ends_weights = size * 2 * config.token_size * config.width
    weights = ends_weights + config.depth * _layer_weights(config, weight_bits, size)
    # Into the blocks: cast, product, sum with what the steps share, norm; out of them: product, cast.
    ends = 2 * (FLOAT32 + 2 * size) * numbers + size * (1 + 3 + 2 + 1) * rows
    between = ends + size * config.depth * _layer_tokens(config)
    if weight_bits == 8:  # inputs in eight bits, written and read
        between += config.depth * 2 * config.tokens * sum(inputs for inputs, _ in layer_shapes(config))
    return Moved(weights + _ring(config, bits, size), between)


def shared_bytes(config: DiffusionTransformerConfig, size: int = 2) -> Moved:
    """What all steps of a frame share: the newest frames' embedding, the modulations of all steps."""
    steps, recent = len(config.sampling_levels), config.recent * config.token_size
    weights = config.width * (recent + config.modulation_rows * config.condition_width)
    made = config.width * (config.tokens + steps * config.modulation_rows)
    # The frames are taken from where they lie, put in order, and cast.
    taken = (2 * FLOAT32 + 2 * FLOAT32 + FLOAT32 + size + size) * config.tokens * recent
    return Moved(size * weights, size * made + taken)


def write_bytes(config: DiffusionTransformerConfig, bits: int = 16, size: int = 2) -> Moved:
    """The cache write: a product for every layer, then norm, rotation and rounding into one slot of its ring."""
    made = config.depth * config.tokens * 2 * config.width
    weights = config.depth * 2 * config.width * config.token_size
    slot = _ring(config, bits, size) // config.memory
    tokens = config.depth * config.tokens * config.token_size
    return Moved(size * weights + slot, size * (2 * made + tokens))


def layer_shapes(config: DiffusionTransformerConfig) -> tuple[tuple[int, int], ...]:
    """Inputs and outputs of each of a block's weights."""
    width, hidden = config.width, config.hidden
    out = width if config.attention == FULL else 2 * width
    widened = hidden if config.feed_forward == "gelu" else 2 * hidden
    return (width, 3 * width), (out, width), (width, widened), (hidden, width)


def _layer_weights(config: DiffusionTransformerConfig, bits: int, size: int) -> int:
    """Bytes. Few bits with their scales: one float32 for each output, or two float16 for each `GROUP` inputs."""
    if bits == 16:
        return size * sum(inputs * outputs for inputs, outputs in layer_shapes(config))
    if bits == 8:
        return sum((inputs + FLOAT32) * outputs for inputs, outputs in layer_shapes(config))
    return sum(-(-inputs // GROUP) * (GROUP // 2 + 4) * outputs for inputs, outputs in layer_shapes(config))


def _layer_tokens(config: DiffusionTransformerConfig) -> int:
    """Numbers that a block's operations read and write, beside weights and ring."""
    project, normed, gates = 1 + 3, 3 + 3, 2 * 4
    attention = (3 + 1) + (1 + 1)  # with the frame's own keys and values; the output product
    if config.attention != FULL:
        attention += (1 + 1) + (2 + 2) + 1  # that before the frame; both together, in one tensor and in the product
    middle = 4 if config.feed_forward == "gelu" else 2 + 2 + 3 + 1
    wide = config.tokens * config.width * (project + normed + attention + gates + 1 + 1)
    return wide + config.tokens * config.hidden * middle


def _ring(config: DiffusionTransformerConfig, bits: int, size: int) -> int:
    return cache_bytes(config, bits) * size // 2 if bits == 16 else cache_bytes(config, bits)
