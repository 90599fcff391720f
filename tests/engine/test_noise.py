"""A frame's noise depends on its seed and tick alone."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamcade.engine.noise import MANY, Noise, tick_noise

seeds, ticks = st.integers(0, 2**63 - 1), st.integers(0, 2**40)


@given(seeds, ticks)
def test_it_is_a_pure_function(seed: int, tick: int) -> None:
    once = tick_noise(seed, tick, (2, 5, 3))
    tick_noise(seed, tick + 1, (4,))
    assert torch.equal(once, tick_noise(seed, tick, (2, 5, 3)))
    assert once.dtype == torch.float32


@given(seeds, ticks, ticks)
@settings(max_examples=50)
def test_ticks_and_seeds_share_nothing(seed: int, tick: int, other: int) -> None:
    here = tick_noise(seed, tick, (1000,))
    for there in (tick_noise(seed, tick + 1 + other, (1000,)), tick_noise(seed ^ 1, tick, (1000,))):
        assert not torch.isin(here, there).all()
        assert abs(float(torch.corrcoef(torch.stack([here, there]))[0, 1])) < 0.2


def test_it_is_standard_normal() -> None:
    noise = torch.cat([tick_noise(7, tick, (10_000,)) for tick in range(20)])
    assert abs(float(noise.mean())) < 0.01
    assert abs(float(noise.std()) - 1) < 0.01
    assert abs(float((noise**4).mean()) - 3) < 0.1


def test_a_batch_is_what_each_draws_alone_however_many_threads_draw() -> None:
    keys = [(seed, seed % 3) for seed in range(MANY + 5)] * 2
    alone = torch.stack([tick_noise(seed, tick, (2, 5, 3)) for seed, tick in keys], dim=1)
    for noise in (Noise(1), Noise(3)):
        assert torch.equal(noise.draw(keys, (2, 5, 3)), alone)
        noise.close()
        assert torch.equal(noise.draw(keys, (2, 5, 3)), alone), "closed, it draws on its own"
