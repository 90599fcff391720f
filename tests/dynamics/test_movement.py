"""Movement: what slides is measured, and carried on."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dreamcade.dynamics import DynamicsConfig
from dreamcade.dynamics.movement import Movement

POINTS = 8
CONFIG = DynamicsConfig(
    latent_channels=3 * POINTS**2,
    latent_height=6,
    latent_width=7,
    action_size=1,
    action_history=2,
    motion_points=POINTS,
    memory=4,
)
NO_ACTIONS = torch.zeros(2, 4)


@pytest.fixture
def movement() -> Movement:
    """Its latents are pictures themselves, and it goes on as before."""
    made = Movement(CONFIG)
    made.draw.copy_(torch.eye(CONFIG.latent_channels))
    made.tell.copy_(torch.eye(CONFIG.latent_channels))
    with torch.no_grad():
        made.expect.go_on.weight[:, :12] = torch.eye(12)
    return made.requires_grad_(False)


def tokens_at(*slides: tuple[int, int]) -> Tensor:
    """Tokens `[2, N, L, c]` of a scene that has slid by so many points (right, down)."""
    generator = torch.Generator().manual_seed(0)
    layers = [torch.randn(2, 3, s, s, generator=generator) * s**-0.5 for s in (4, 9, 20)]
    scene = sum(F.interpolate(x, (96, 112), mode="bicubic") for x in layers)
    assert isinstance(scene, Tensor)
    seen = torch.stack([scene[:, :, 24 - down : 72 - down, 28 - right : 84 - right] for right, down in slides], 1)
    return F.pixel_unshuffle(seen, POINTS).flatten(3).mT


def inner(tokens: Tensor) -> Tensor:
    """Those of the cells that touch no edge."""
    return tokens.unflatten(-2, (6, 7))[..., 1:-1, 1:-1, :]  # type: ignore[no-untyped-call,no-any-return]


def error(made: Tensor, real: Tensor) -> float:
    return float((inner(made) - inner(real)).square().mean())


def test_the_next_movement_goes_on_like_the_last(movement: Movement) -> None:
    frames = tokens_at((9, -6), (6, -4), (3, -2), (0, 0))  # newest first
    made, motion = movement(frames[:, 1:], NO_ACTIONS)
    assert motion.shape == (2, 12)
    torch.testing.assert_close(motion[:, [0, 6]] * POINTS, torch.tensor([[3.0, -2.0]] * 2), atol=0.3, rtol=0)
    assert error(made, frames[:, 0]) < 0.05 * error(frames[:, 1], frames[:, 0])


def test_a_motion_that_is_told_is_applied_instead(movement: Movement) -> None:
    back, newest, before = tokens_at((0, 0), (3, -2), (0, 0)).unbind(1)  # it turns round, against all expectation
    recent = torch.stack([newest, before], 1)
    _, expected = movement(recent, NO_ACTIONS)
    made, still_expected = movement(recent, NO_ACTIONS, movement.measure_tokens(back, newest))
    assert torch.equal(expected, still_expected)
    assert error(made, back) < 0.05 * error(newest, back)


def test_what_never_moves_with_the_view_stays(movement: Movement) -> None:
    movement.moves[..., 16:32, 24:32] = 0  # two cells below each other
    frames = tokens_at((4, 0), (0, 0))
    made, _ = movement(frames, NO_ACTIONS)
    still = [2 * 7 + 3, 3 * 7 + 3]
    torch.testing.assert_close(made[:, still], frames[:, 0, still])
    assert (made - frames[:, 0]).abs().mean() > 0.05


def test_one_frame_alone_stands_still(movement: Movement) -> None:
    tokens = tokens_at((0, 0))
    made, motion = movement(tokens, NO_ACTIONS)
    torch.testing.assert_close(made, tokens[:, 0], atol=1e-4, rtol=0)
    assert motion.abs().max() < 1e-4


def test_hardly_moving_is_standing_still(movement: Movement) -> None:
    tokens = tokens_at((0, 0))[:, 0]
    pictures = movement.pictures(tokens)
    motion = torch.zeros(2, 12)
    motion[:, 0] = 0.003
    hardly = movement.change(pictures, motion).abs().mean()
    assert hardly < 0.002 * movement.change(pictures, 100 * motion).abs().mean()


def test_motions_are_measured_in_units_of_the_usual_ones(movement: Movement) -> None:
    frames = tokens_at((4, 0), (0, 0))
    whole = movement.measure_tokens(frames[:, 0], frames[:, 1])
    movement.usual.fill_(0.25)
    torch.testing.assert_close(movement.measure_tokens(frames[:, 0], frames[:, 1]), 4 * whole)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_number_formats_come_back_as_they_went(movement: Movement, dtype: torch.dtype) -> None:
    frames = tokens_at((4, 0), (0, 0)).to(dtype)
    made, _ = movement.to(dtype)(frames, NO_ACTIONS.to(dtype))
    assert made.dtype == dtype and made.isfinite().all()
