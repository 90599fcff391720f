"""Movement: what slides is measured, and carried on."""

from __future__ import annotations

import pytest
import torch

from dreamcade.dynamics import DynamicsConfig
from dreamcade.dynamics.movement import GAIN, Movement

CONFIG = DynamicsConfig(
    latent_channels=2, latent_height=6, latent_width=7, action_size=1, action_history=2, movements=2, memory=4
)


@pytest.fixture
def movement() -> Movement:
    """Its two kernels take a cell's content from the left, and from above."""
    made = Movement(CONFIG)
    kernels = torch.zeros(2, 2, 9, 2)  # kernel, channel in, neighbour (row by row), channel out
    for channel in range(2):
        kernels[0, channel, 3, channel] = kernels[1, channel, 1, channel] = 1.0
        kernels[:, channel, 4, channel] = -1.0
    with torch.no_grad():
        made.kernels.copy_(kernels.flatten(1, 2) / GAIN)
        made.moves.fill_(50.0)
    return made.requires_grad_(False)


def shifted(tokens: torch.Tensor, right: int, down: int) -> torch.Tensor:
    """The picture slid by whole cells, which come in again at the other side."""
    grid = tokens.view(len(tokens), 6, 7, 2)
    return torch.roll(grid, (down, right), (1, 2)).reshape(tokens.shape)


def test_a_slide_is_measured_and_repeated(movement: Movement) -> None:
    before = torch.randn(3, 42, 2, generator=torch.Generator().manual_seed(0))
    inner = movement.inner(before.device)
    for kernel, (right, down) in enumerate([(1, 0), (0, 1)]):
        now = shifted(before, right, down)
        mixture = movement.measure(now, before)
        assert mixture.shape == (3, 6)
        assert (mixture[:, kernel] > 0.8).all() and (mixture[:, 1 - kernel].abs() < 0.2).all()
        made = before + movement.changed(before, mixture)
        assert (made - now)[:, inner].square().mean() < 0.1 * (before - now)[:, inner].square().mean()


def test_the_next_movement_goes_on_like_the_last(movement: Movement) -> None:
    with torch.no_grad():
        movement.go_on.weight.zero_()
        movement.go_on.bias.zero_()
        movement.go_on.weight[:, :6] = torch.eye(6)  # as fast as last time
    first = torch.randn(2, 42, 2, generator=torch.Generator().manual_seed(1))
    frames = [first, shifted(first, 1, 0), shifted(first, 2, 0), shifted(first, 3, 0)]
    recent, inner = torch.stack(frames[2::-1], 1), movement.inner(first.device)
    made = movement(recent, torch.zeros(2, 4))
    still = (frames[2] - frames[3])[:, inner].square().mean()
    assert (made - frames[3])[:, inner].square().mean() < 0.2 * still


def test_one_frame_alone_stands_still(movement: Movement) -> None:
    with torch.no_grad():
        movement.go_on.bias.zero_()
    tokens = torch.randn(1, 1, 42, 2)
    torch.testing.assert_close(movement(tokens, torch.zeros(1, 4)), tokens[:, 0])
