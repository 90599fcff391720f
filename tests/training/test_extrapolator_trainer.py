"""Teaching an extrapolator: it comes to beat repeating, the same every time, within its bounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dreamcade.core.errors import DatasetError
from dreamcade.core.types import Pixels
from dreamcade.dynamics import Extrapolator
from dreamcade.training.extrapolator_trainer import ExtrapolatorTraining, Stretches, read_stretches, train_extrapolator
from dreamcade.world import World

TRAINING = ExtrapolatorTraining(steps=60, batch=16, frames=200, width=16)


def quiet(what: str, done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def turning(tiny_world: World) -> Stretches:
    """Tokens that turn by a fixed angle a tick: the next one is linear in the last two."""
    tokens, channels = tiny_world.dynamics.noise_shape
    generator = torch.Generator().manual_seed(0)
    angle = 0.5 * torch.arange(40)[:, None, None] + 6.3 * torch.rand(12, 1, tokens, channels, generator=generator)
    actions = torch.zeros(12, 40, tiny_world.dynamics.config.action_size)
    return Stretches(angle.sin().half(), actions)


@pytest.fixture(scope="module")
def trained(tiny_world: World, turning: Stretches) -> Extrapolator:
    return train_extrapolator(tiny_world, turning, TRAINING, quiet)


def test_it_learns_to_go_on(tiny_world: World, turning: Stretches, trained: Extrapolator) -> None:
    history = tiny_world.dynamics.config.action_history
    frames, led = turning.draw(64, history, torch.Generator().manual_seed(5))
    repeated = (frames[:, 1] - frames[:, 0]).square().mean()
    made = (trained(frames[:, 1:], led[:, 1:]) - frames[:, 0]).square().mean()
    assert float(made) < 0.8 * float(repeated)
    assert float(trained.high.max()) <= 1.0 and float(trained.low.min()) >= -1.0


def test_same_seed_same_weights(tiny_world: World, turning: Stretches) -> None:
    short = dataclasses.replace(TRAINING, steps=3)
    first, second = (train_extrapolator(tiny_world, turning, short, quiet).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_actions_lead_to_their_frames(tiny_world: World) -> None:
    history = tiny_world.dynamics.config.action_history
    ticks = torch.arange(30.0)
    play = Stretches(ticks.view(1, -1, 1, 1).expand(1, 30, 2, 3).half(), ticks.view(1, -1, 1))
    frames, led = play.draw(8, history, torch.Generator().manual_seed(0))
    assert torch.equal(led[:, -1, 0], frames[:, 0, 0, 0] - 1)
    assert torch.equal(frames[:, 0] - frames[:, 1], torch.ones(8, 2, 3))
    assert led.shape[1] == history + 1


def test_play_is_read_from_the_training_episodes(tiny_world: World, toy_play: Callable[..., Any]) -> None:
    dataset = Recording([toy_play(30, seed) for seed in range(2)])
    stretches = read_stretches(tiny_world, dataset, 60, 0, quiet)  # type: ignore[arg-type]
    assert stretches.tokens.shape == (2, 30, *tiny_world.dynamics.noise_shape)
    assert torch.equal(stretches.actions[1], torch.from_numpy(dataset.plays[1][1]))
    more = read_stretches(tiny_world, dataset, 6000, 0, quiet)  # type: ignore[arg-type]
    assert len(more.tokens) == 2, "of a short recording nothing is encoded again and again"


def test_play_that_is_too_short(tiny_world: World, toy_play: Callable[..., Any]) -> None:
    for plays in ([], [toy_play(6)]):
        with pytest.raises(DatasetError, match="record longer ones"):
            read_stretches(tiny_world, Recording(plays), 60, 0, quiet)  # type: ignore[arg-type]


class Recording:
    """As much of a dataset as is read here."""

    def __init__(self, plays: list[Any]) -> None:
        self.plays = plays

    def episodes(self, split: str) -> list[SimpleNamespace]:
        assert split == "train"
        return [SimpleNamespace(number=i, length=len(play[0])) for i, play in enumerate(self.plays)]

    def frames(self, episode: SimpleNamespace, start: int, stop: int) -> Pixels:
        pixels: Pixels = self.plays[episode.number][0][start:stop]
        return pixels

    def actions(self, episode: SimpleNamespace, start: int, stop: int) -> Any:
        return self.plays[episode.number][1][start:stop]
