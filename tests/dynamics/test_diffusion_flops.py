"""The formula counts what PyTorch counts."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from dreamcade.dynamics.diffusion_config import FACTORISED, FULL, PRESETS, DiffusionTransformerConfig
from dreamcade.dynamics.diffusion_flops import attention_flops, cache_bytes, frame_flops, pass_flops
from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer

SMALL = DiffusionTransformerConfig(
    latent_channels=4, latent_height=8, latent_width=12, heads=2, head_dim=32, depth=2, memory=3, condition_width=16
)


@pytest.mark.parametrize("feed_forward", ["gelu", "gated"])
@pytest.mark.parametrize("attention", [FULL, FACTORISED])
def test_a_frame(attention: str, feed_forward: str) -> None:
    config = dataclasses.replace(SMALL, attention=attention, feed_forward=feed_forward)
    model = DiffusionTransformer.random(config, dtype=torch.float32)
    noise = torch.randn(2, 1, config.tokens, config.token_size)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model.step(model.new_state(1), torch.zeros(1, 3), noise)
    counted = counter.get_total_flops()
    formula = frame_flops(config)
    if attention == FACTORISED:  # its products with the past are sums of products, which the counter leaves out
        past = attention_flops(config) - attention_flops(config, 0)
        formula -= past * config.depth * len(config.sampling_levels)
    assert formula == counted


def test_the_papers_size() -> None:
    config = PRESETS["paper"]
    assert 7.3e12 < pass_flops(config) < 7.5e12
    assert pass_flops(PRESETS["paper-factorised"]) < 0.65 * pass_flops(config)
    assert [round(cache_bytes(config, bits) / 1e9, 2) for bits in (16, 8, 4)] == [2.49, 1.28, 0.7]


@pytest.mark.parametrize("bits", [16, 8, 4])
def test_cache_bytes_are_those_of_the_state(bits: int) -> None:
    model = DiffusionTransformer.random(SMALL, dtype=torch.bfloat16)
    rings = model.new_state(1, bits).rings
    held = sum(t.numel() * t.element_size() for ring in rings for t in ring.tensors().values())
    assert held == cache_bytes(SMALL, bits)
