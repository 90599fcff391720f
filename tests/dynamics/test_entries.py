"""The memory cache in few bits."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics import Dynamics, Keeping
from dreamcade.dynamics.entries import pack_entries, unpack_entries
from dreamcade.world import World

FEW = (Keeping.INT8, Keeping.INT4)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(FEW), st.sampled_from((4, 8, 32)), st.integers(1, 5), st.integers(0, 99))
def test_entries_come_back_within_a_step(keeping: Keeping, run: int, runs: int, seed: int) -> None:
    entries = torch.randn(3, 2, run * runs, generator=torch.Generator().manual_seed(seed))
    numbers, scale = pack_entries(entries, keeping, run)
    assert numbers.shape[-1] == entries.shape[-1] // (2 if keeping is Keeping.INT4 else 1)
    error = (unpack_entries(numbers, scale, torch.float32) - entries).abs()
    step = scale.float().abs().repeat_interleave(run, -1)
    assert bool((error <= step + 2**-8 * entries.abs()).all())
    inside = entries.abs() <= (keeping.steps - 1) * step
    assert bool((error[inside] <= 0.5001 * step[inside]).all())


def test_nothing_stays_nothing() -> None:
    for keeping in FEW:
        assert not unpack_entries(*pack_entries(torch.zeros(2, 8), keeping, 4), torch.float32).any()


def remembering(world: World, keeping: Keeping) -> Dynamics:
    dynamics = copy.deepcopy(world.dynamics)
    dynamics.keeping = keeping
    return dynamics


@torch.inference_mode()
def play(dynamics: Dynamics, batch: int = 2) -> tuple[torch.Tensor, object]:
    generator = torch.Generator().manual_seed(0)
    state, rows = dynamics.new_state(batch), torch.arange(batch)
    for _ in range(6):
        latents = torch.randn(batch, *dynamics.config.latent_shape, generator=generator)
        dynamics.observe(state, rows, latents, torch.randn(batch, dynamics.config.action_size, generator=generator))
    noise = torch.randn(2, batch, *dynamics.noise_shape, generator=generator)
    return dynamics.propose(state, rows, torch.zeros(batch, dynamics.config.action_size), noise), state


def test_play_is_near_and_memory_small(tiny_world: World) -> None:
    full, kept = play(remembering(tiny_world, Keeping.FULL))
    error, size = {}, {}
    for keeping in FEW:
        tokens, state = play(remembering(tiny_world, keeping))
        error[keeping] = float((tokens - full).norm() / full.norm())
        size[keeping] = state.memory_bytes / kept.memory_bytes  # type: ignore[attr-defined]
    assert 0 < error[Keeping.INT8] < error[Keeping.INT4] < 0.1
    # Runs of 8 here: a scale of two bytes for eight numbers of four.
    assert size == {Keeping.INT8: (8 + 2) / 32, Keeping.INT4: (4 + 2) / 32}


@pytest.mark.parametrize("keeping", FEW)
def test_a_batch_is_each_alone(tiny_world: World, keeping: Keeping) -> None:
    dynamics = remembering(tiny_world, keeping)
    _, state = play(dynamics)
    both = state.memory(torch.arange(2))  # type: ignore[attr-defined]
    alone = state.memory(torch.tensor([1]))  # type: ignore[attr-defined]
    for (k, v), (own_k, own_v) in zip(both, alone, strict=True):
        assert torch.equal(k[1:], own_k) and torch.equal(v[1:], own_v)
    other = dynamics.new_state(1)
    other.write(0, state.read(1))  # type: ignore[attr-defined]
    assert torch.equal(other.memory(torch.tensor([0]))[0][0], alone[0][0])


def test_a_state_kept_otherwise_is_refused(tiny_world: World) -> None:
    _, full = play(remembering(tiny_world, Keeping.FULL))
    _, few = play(remembering(tiny_world, Keeping.INT8))
    with pytest.raises(BadInputError, match="keys"):
        full.write(0, few.read(0))  # type: ignore[attr-defined]
    with pytest.raises(BadInputError, match="keys"):
        few.write(0, full.read(0))  # type: ignore[attr-defined]
