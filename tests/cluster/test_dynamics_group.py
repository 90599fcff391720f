"""A rank's part, command by command: sessions, what can go on elsewhere, what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamcade.cluster.dynamics_group import DynamicsRank
from dreamcade.core.errors import BadInputError, RankLostError
from dreamcade.dynamics.diffusion_config import DiffusionTransformerConfig
from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer
from dreamcade.dynamics.exchange import ALONE, Alone

CONFIG = DiffusionTransformerConfig(
    latent_channels=3,
    latent_height=4,
    latent_width=6,
    action_size=2,
    action_history=4,
    recent=2,
    heads=2,
    head_dim=16,
    depth=2,
    memory=3,
    condition_width=16,
)


@pytest.fixture(scope="module")
def model() -> DiffusionTransformer:
    model = DiffusionTransformer.random(CONFIG, dtype=torch.float32)
    model.leave.weight.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    return model


def inputs(frame: int, sessions: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(frame)
    actions = torch.rand(sessions, 2, generator=generator) * 2 - 1
    return actions, torch.randn(2, sessions, CONFIG.tokens, CONFIG.token_size, generator=generator)


def test_sessions_together_are_sessions_alone(model: DiffusionTransformer) -> None:
    part, states = DynamicsRank(model), [model.new_state(1), model.new_state(1)]
    part.open("a")
    part.open("b")
    first = torch.randn(3, 4, 6)
    part.observe("b", first, torch.ones(2))
    model.observe(states[1], first[None], torch.ones(1, 2))
    for frame in range(5):
        actions, noise = inputs(frame, 2)
        made = part.step(["a", "b"], actions, noise)
        for i, state in enumerate(states):
            assert torch.equal(made[i], model.step(state, actions[i : i + 1], noise[:, i : i + 1])[0])
    assert [part.past(name).count for name in part.sessions] == [5, 6]


@pytest.mark.parametrize("frames", [0, 2, 9])
def test_a_session_goes_on_elsewhere(model: DiffusionTransformer, frames: int) -> None:
    """Bit for bit: what is kept are the very tokens."""
    here, there = DynamicsRank(model), DynamicsRank(model)
    here.open("a")
    for frame in range(frames):
        here.step(["a"], *inputs(frame))
    past = here.past("a")
    assert past.count == frames and len(past.tokens) == min(frames, 4)
    there.open("a", past)
    for frame in range(frames, frames + 5):
        assert torch.equal(there.step(["a"], *inputs(frame)), here.step(["a"], *inputs(frame)))
    assert torch.equal(there.past("a").actions, here.past("a").actions)


class Faltering(Alone):
    """Loses a rank at an exchange."""

    def __init__(self, at: int) -> None:
        self.left = at

    def gather(self, x: Tensor) -> Tensor:
        self.left -= 1
        if self.left == 0:
            raise RankLostError("rank 1 is gone")
        return x


def test_a_step_that_fails_is_none_of_them(model: DiffusionTransformer) -> None:
    """The second session's fails, so the first one's frame is not committed either; regrouped, both go on."""
    part, other = DynamicsRank(model, Faltering(at=6)), DynamicsRank(model)
    for rank in (part, other):
        rank.open("a")
        rank.open("b")
        for frame in range(2):
            rank.step(["a", "b"], *inputs(frame, 2))
    with pytest.raises(RankLostError, match="rank 1 is gone"):
        part.step(["a", "b"], *inputs(7, 2))
    with pytest.raises(BadInputError, match="regroup"):
        part.step(["a", "b"], *inputs(8, 2))
    part.regroup(ALONE)
    assert torch.equal(part.step(["a", "b"], *inputs(8, 2)), other.step(["a", "b"], *inputs(8, 2)))


def test_what_is_refused(model: DiffusionTransformer) -> None:
    part = DynamicsRank(model)
    part.open("a")
    with pytest.raises(BadInputError, match="'a' is open already"):
        part.open("a")
    with pytest.raises(BadInputError, match="no session 'b' is open; open: a"):
        part.close("b")
    for names in (["a", "a"], [], ["a"]):
        with pytest.raises(BadInputError, match="different sessions"):
            part.step(names, *inputs(0, 2))
    part.close("a")
    assert part.sessions == []
