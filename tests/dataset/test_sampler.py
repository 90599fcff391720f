from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamcade.core.errors import BadInputError
from dreamcade.dataset.format import EpisodeInfo
from dreamcade.dataset.sampler import WindowSampler


def episodes(*lengths: int) -> list[EpisodeInfo]:
    return [EpisodeInfo(f"e{i}", i, "train", length, 1, 1) for i, length in enumerate(lengths)]


@given(st.lists(st.integers(8, 60), min_size=1, max_size=6), st.integers(0, 99), st.integers(0, 9), st.integers(0, 30))
def test_the_order_is_a_function_of_seed_and_epoch(lengths: list[int], seed: int, epoch: int, skip: int) -> None:
    sampler = WindowSampler(episodes(*lengths), 8, seed)
    whole = list(sampler.epoch(epoch))
    assert list(WindowSampler(episodes(*lengths), 8, seed).epoch(epoch, skip)) == whole[skip:]
    used = [(w.episode.name, t) for w in whole for t in range(w.start, w.stop)]
    assert len(used) == len(set(used)), "no tick twice in an epoch"
    assert all(w.start >= 0 and w.stop <= w.episode.length and w.stop - w.start == 8 for w in whole)
    assert {w.episode.name for w in whole} == {f"e{i}" for i in range(len(lengths))}


def test_epochs_and_seeds_differ() -> None:
    orders = [list(WindowSampler(episodes(100, 100), 7, seed).epoch(epoch)) for seed in (0, 1) for epoch in (0, 1)]
    assert all(a != b for i, a in enumerate(orders) for b in orders[:i])


def test_short_episodes_are_left_out() -> None:
    assert {w.episode.name for w in WindowSampler(episodes(5, 20), 8).epoch(0)} == {"e1"}
    with pytest.raises(BadInputError, match="no episode has 30 ticks"):
        WindowSampler(episodes(5, 20), 30)
