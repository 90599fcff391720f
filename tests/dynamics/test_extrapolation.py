"""Extrapolation: where it begins, what bounds it, and when motion counts as smooth."""

import dataclasses

import pytest
import torch
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics import Dynamics, DynamicsConfig, ExtrapolationConfig, Extrapolator
from dreamcade.dynamics.extrapolation import curvature, straight_on
from dreamcade.dynamics.transformer import action_features

SIZES = DynamicsConfig(
    latent_channels=8, latent_height=2, latent_width=3, action_size=2, action_history=3, recent=4, width=32, depth=1,
    heads=2, memory=4, memory_layers=(0,), condition_width=16,
)  # fmt: skip
CONFIG = ExtrapolationConfig(action_distance=0.5, curvature=1.0, most_skips=1, width=16)


@pytest.fixture
def extrapolator() -> Extrapolator:
    torch.manual_seed(0)
    model = Extrapolator(CONFIG, SIZES).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model.requires_grad_(False)


def moving(steps: list[float]) -> Tensor:
    """Tokens `[1, R, 6, 8]`, newest first, of which each lies a step from the one before it."""
    direction = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    return torch.stack([sum(steps[i:]) * direction for i in range(len(steps) + 1)])[None]  # type: ignore[misc]


def test_untrained_it_repeats_the_newest_frame() -> None:
    recent = torch.randn(2, 4, 6, 8)
    assert torch.equal(Extrapolator(CONFIG, SIZES)(recent, torch.randn(2, 3, 2)), recent[:, 0])


def test_a_fraction_of_a_tick_is_that_fraction_of_the_change(extrapolator: Extrapolator) -> None:
    recent, actions = torch.randn(2, 4, 6, 8), torch.randn(2, 3, 2)
    whole, half = (extrapolator(recent, actions, ahead) - recent[:, 0] for ahead in (1.0, 0.5))
    assert whole.abs().max() > 1e-3
    torch.testing.assert_close(half, whole / 2)


def test_it_stays_within_its_bounds(extrapolator: Extrapolator) -> None:
    extrapolator.low.fill_(-0.25)
    extrapolator.high.fill_(0.25)
    made = extrapolator(3 * torch.randn(2, 4, 6, 8), torch.randn(2, 3, 2))
    assert float(made.abs().max()) == 0.25


def test_actions_and_both_changes_count(extrapolator: Extrapolator) -> None:
    recent, actions = torch.randn(1, 4, 6, 8), torch.zeros(1, 3, 2)
    made = extrapolator(recent, actions)
    assert not torch.equal(made, extrapolator(recent, actions + 1))
    for frame in (1, 2):
        other = recent.clone()
        other[:, frame] += 1
        assert not torch.equal(made, extrapolator(other, actions))


def test_batched_is_alone(extrapolator: Extrapolator) -> None:
    recent, actions = torch.randn(3, 4, 6, 8), torch.randn(3, 3, 2)
    alone = torch.cat([extrapolator(recent[i : i + 1], actions[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(extrapolator(recent, actions), alone)


def test_fewer_frames_are_enough(extrapolator: Extrapolator) -> None:
    recent = torch.randn(1, 2, 6, 8)
    padded = torch.cat([recent, recent[:, 1:]], 1)
    actions = torch.zeros(1, 3, 2)
    assert torch.equal(extrapolator(recent, actions), extrapolator(padded, actions))
    assert float(curvature(recent)) == pytest.approx(1.0)


def test_curvature() -> None:
    assert float(curvature(moving([1.0, 1.0]))) == pytest.approx(0.0, abs=1e-5)
    assert float(curvature(moving([1.0, 2.0]))) == pytest.approx(1.0, rel=1e-4)
    assert float(curvature(moving([0.0, 1.0]))) > 1e5


def test_straight_on() -> None:
    recent = moving([1.0, 1.0])
    torch.testing.assert_close(straight_on(recent) - recent[:, 0], recent[:, 0] - recent[:, 1])


def test_an_extrapolated_frame_joins_the_memory(extrapolator: Extrapolator) -> None:
    model = Dynamics(SIZES).eval()
    rows, action = torch.zeros(1, dtype=torch.int64), torch.ones(1, 2)
    states = model.new_state(1), model.new_state(1)
    for state in states:
        model.observe(state, rows, torch.randn(1, 8, 2, 3, generator=torch.Generator().manual_seed(2)), action)
    tokens = extrapolator(states[0].recent(rows), torch.zeros(1, 3, 2))
    model.commit(states[0], rows, action, tokens)
    model.observe(states[1], rows, model.to_latents(tokens), action)
    for name, tensor in states[0].tensors().items():
        torch.testing.assert_close(tensor, states[1].tensors()[name])


@pytest.mark.parametrize("wrong", [{"most_skips": -1}, {"width": -8}])
def test_a_config_that_cannot_be(wrong: dict[str, int]) -> None:
    values = {"action_distance": 1.0, "curvature": 1.0, "most_skips": 1, "width": 8}
    with pytest.raises(BadInputError, match="must be at least 0"):
        ExtrapolationConfig(**{**values, **wrong})  # type: ignore[arg-type]


@torch.no_grad()
def test_a_world_that_expects_motions_moves_its_picture_on() -> None:
    sizes = dataclasses.replace(SIZES, motion_points=8)
    torch.manual_seed(0)
    made = Extrapolator(dataclasses.replace(CONFIG, width=0), sizes).eval()
    assert made.movement is not None
    for table in (made.movement.draw, made.movement.backdrop, made.movement.tell, made.movement.expect.go_on.bias):
        torch.nn.init.normal_(table, std=0.1)
    recent, actions = torch.randn(1, 4, 6, 8), torch.zeros(1, 3, 2)
    moved, _ = made.movement(recent, action_features(actions))
    assert torch.equal(made(recent, actions), moved)
    changes = [float((made(recent, actions, ahead) - recent[:, 0]).norm()) for ahead in (0.0, 0.5, 1.0)]
    assert changes[0] < 1e-3 < changes[1] < changes[2]


def test_neither_movement_nor_network() -> None:
    with pytest.raises(BadInputError, match="of some width"):
        Extrapolator(dataclasses.replace(CONFIG, width=0), SIZES)
