"""Rollouts with skips: what is skipped when, and the same noise whatever was skipped before."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.dataset.reader import Dataset
from dreamcade.dynamics import ExtrapolationConfig
from dreamcade.evaluation.skipping import Playground, open_playground
from dreamcade.world import World

ALWAYS = ExtrapolationConfig(action_distance=1e3, curvature=1e9, most_skips=2)


@pytest.fixture(scope="module")
def playground(racing_world: World, racing_data: Dataset) -> Playground:
    return open_playground(racing_world, racing_data, windows=3, ticks=6, seed=0)


def repeat(recent: Tensor, actions: Tensor) -> Tensor:
    return recent[:, 0]


def test_the_cap_is_kept(playground: Playground) -> None:
    track = playground.roll(ALWAYS, repeat)
    assert track.skipped[:, 0].tolist() == [True, True, False, True, True, False]
    assert track.share == pytest.approx(2 / 3)
    assert torch.equal(track.tokens[0], track.tokens[1])


def test_nothing_is_skipped_where_the_action_changes(playground: Playground) -> None:
    strict = dataclasses.replace(ALWAYS, action_distance=0.0)
    full, track = playground.roll(), playground.roll(strict, repeat)
    assert not track.skipped.any()
    assert torch.equal(full.tokens, track.tokens)


def test_skipping_rows_leave_the_others_alone(playground: Playground) -> None:
    full = playground.roll()
    limit = float(full.distances[0].median())
    track = playground.roll(dataclasses.replace(ALWAYS, action_distance=limit), repeat)
    computed = ~track.skipped[0]
    assert 0 < int(computed.sum()) < 3
    torch.testing.assert_close(track.tokens[0][computed], full.tokens[0][computed], atol=0.05, rtol=0.05)


def test_fewer_windows_are_the_first_ones(playground: Playground) -> None:
    torch.testing.assert_close(playground.roll(windows=2).tokens, playground.roll().tokens[:, :2], atol=0.05, rtol=0.05)


def test_scores(playground: Playground) -> None:
    full = playground.roll()
    scores = playground.score({"full": full, "still": playground.roll(ALWAYS, repeat)}, 1)
    assert scores["still"].real.shape == (6,)
    assert scores["full"].full is not None and float(scores["full"].full.min()) == 100.0
    assert scores["full"].lpips is None
    assert np.array_equal(playground.glance(full, np.array([1, 4]))[:, 1], scores["full"].real[[1, 4]])


def test_a_blended_track_shows_pixels_that_go_on(playground: Playground) -> None:
    track = playground.roll(ALWAYS, repeat)
    plain = playground.show(track, 0)
    blended = playground.show(dataclasses.replace(track, blended=True), 0)
    wanted = np.clip(1.5 * plain[2].astype(float) - 0.5 * plain[1] + 0.5, 0, 255).astype(np.uint8)
    assert np.array_equal(blended[3], wanted)
    assert np.array_equal(blended[2], plain[2])


def test_a_recording_of_another_game(tiny_world: World, racing_data: Dataset) -> None:
    with pytest.raises(BadInputError, match="give a recording of the world's game"):
        open_playground(tiny_world, racing_data, windows=1, ticks=2, seed=0)
