from __future__ import annotations

import pytest
import torch

from dreamcade.cluster.counting import count
from dreamcade.cluster.diffusion_workload import diffusion_fields, weights
from dreamcade.dynamics.diffusion_config import FACTORISED, FULL, DiffusionTransformerConfig
from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer


def small(attention: str, feed_forward: str = "gelu") -> DiffusionTransformerConfig:
    return DiffusionTransformerConfig(
        latent_channels=4, latent_height=8, latent_width=6, heads=3, head_dim=16, depth=2, memory=3,
        attention=attention, condition_width=24, feed_forward=feed_forward,
    )  # fmt: skip


@pytest.mark.parametrize("attention", [FULL, FACTORISED])
@pytest.mark.parametrize("feed_forward", ["gelu", "gated"])
def test_weights_are_the_model_s(attention: str, feed_forward: str) -> None:
    config = small(attention, feed_forward)
    model = DiffusionTransformer(config)
    products = (p for name, p in model.named_parameters() if p.ndim > 1 and not name.endswith("norm"))
    assert weights(config) == sum(map(torch.numel, products))


@pytest.mark.parametrize("attention", [FULL, FACTORISED])
def test_flops_add_up_to_those_of_a_frame(attention: str) -> None:
    config = small(attention)
    fields = diffusion_fields(config)
    model = DiffusionTransformer.random(config, dtype=torch.float32)
    state = model.new_state(1)
    actions, shape = torch.zeros(1, 3), (2, 1, config.tokens, config.token_size)
    for _ in range(4):
        model.observe(state, torch.zeros(1, *config.latent_shape), actions)
    made = count(lambda: model.step(state, actions, torch.zeros(shape)))
    counted = 2 * (fields["token_flops"] + fields["head_flops"]) + fields["frame_flops"]
    assert made.flops == pytest.approx(counted, rel=0.05)  # attention to one's own place is sums, and not seen


def test_what_is_exchanged() -> None:
    full, factorised = (diffusion_fields(small(attention)) for attention in (FULL, FACTORISED))
    assert full["exchanges"] == 2 * 2 and full["frame_exchanges"] == 1
    one = 2 * 12 * 48  # bytes of a layer's tokens
    assert full["exchange_bytes"] == 2 * one * 4
    assert factorised["exchange_bytes"] == 2 * one * 5
    assert full["latent_bytes"] == 2 * 4 * 8 * 6
