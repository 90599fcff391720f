"""Rebuilt from its newest frames = never lost."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics import Dynamics, DynamicsConfig, Keeping
from dreamcade.dynamics.diffusion_config import FACTORISED, FULL, DiffusionTransformerConfig
from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer
from dreamcade.dynamics.rebuild import Past, frames_that_matter, rebuild, rebuild_diffusion

LARGE = DiffusionTransformerConfig(
    latent_channels=3,
    latent_height=4,
    latent_width=6,
    action_size=2,
    action_history=5,
    recent=2,
    heads=2,
    head_dim=16,
    depth=2,
    memory=3,
    condition_width=16,
)
WORLD = DynamicsConfig(
    latent_channels=4,
    latent_height=2,
    latent_width=3,
    action_size=2,
    action_history=3,
    recent=2,
    width=32,
    depth=2,
    heads=2,
    memory=4,
    memory_layers=(1,),
    condition_width=16,
)


@pytest.mark.parametrize("frames", [1, 4, 5, 13])
@pytest.mark.parametrize("bits", [16, 8])
@pytest.mark.parametrize("attention", [FULL, FACTORISED])
def test_large_model(attention: str, bits: int, frames: int) -> None:
    """Bit for bit, its rotary positions too, which follow from the count."""
    model = DiffusionTransformer.random(dataclasses.replace(LARGE, attention=attention), dtype=torch.float32)
    state, actions = model.new_state(1, bits), torch.rand(frames, 1, 2)
    tokens = torch.randn(frames, 1, LARGE.tokens, LARGE.token_size)
    for frame in range(frames):
        model.append(state, tokens[frame], actions[frame])
    kept = min(frames, frames_that_matter(LARGE))
    other = model.new_state(1, bits)
    model.append(other, tokens[0], actions[0])  # somebody else's
    rebuild_diffusion(model, other, Past(tokens[-kept:, 0], actions[-kept:, 0], frames))
    for name, tensor in state.tensors().items():
        assert torch.equal(tensor, other.tensors()[name]), name


@pytest.mark.parametrize("frames", [1, 3, 4, 11])
@pytest.mark.parametrize("keeping", [Keeping.FULL, Keeping.INT8])
def test_world(keeping: Keeping, frames: int) -> None:
    model = Dynamics(WORLD).eval().requires_grad_(False)
    model.keeping = keeping
    state, other, row = model.new_state(1), model.new_state(3), torch.tensor([0])
    tokens, actions = torch.randn(frames, *model.noise_shape), torch.rand(frames, 2)
    for frame in range(frames):
        model.commit(state, row, actions[frame : frame + 1], tokens[frame : frame + 1])
    kept = min(frames, frames_that_matter(WORLD))
    model.commit(other, torch.tensor([1]), torch.ones(1, 2), torch.ones(1, *model.noise_shape))
    rebuild(model, other, 1, Past(tokens[-kept:], actions[-kept:], frames))
    for name, tensor in state.read(0).items():
        assert torch.equal(tensor, other.read(1)[name]), name
    assert not any(tensor.any() for tensor in other.read(0).values())


def test_too_few_frames_are_refused() -> None:
    model = DiffusionTransformer.random(LARGE, dtype=torch.float32)
    tokens, actions = torch.zeros(3, LARGE.tokens, LARGE.token_size), torch.zeros(3, 2)
    for past in (Past(tokens, actions, 9), Past(tokens, actions, 2), Past(tokens, actions[:2], 3)):
        with pytest.raises(BadInputError, match="is rebuilt from its newest"):
            rebuild_diffusion(model, model.new_state(1), past)
