"""The view's motion: measured as it was made."""

import pytest
import torch
import torch.nn.functional as F

from dreamcade.dynamics import view


def pictures(count: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return F.interpolate(torch.randn(count, 1, 20, 30, generator=generator), size=(120, 180), mode="bicubic")


@pytest.mark.parametrize(
    "made",
    [(0.0, 0.0, 0.0, 0.0), (0.0, 0.05, 0.0, 0.0), (0.0, -0.08, 0.03, -0.06), (0.01, 0.02, -0.05, 0.04)],
)
def test_a_made_motion_is_measured(made: tuple[float, ...]) -> None:
    before, motion = pictures(), torch.tensor([made]).expand(3, 4)
    grid = F.affine_grid(view.affine(motion, 120 / 180), [3, 1, 120, 180], align_corners=False)
    after = F.grid_sample(before, grid, mode="bicubic", padding_mode="border", align_corners=False)
    measured = view.measure_motion(before, after, torch.ones(1, 1, 120, 180))
    torch.testing.assert_close(measured, motion, atol=4e-3, rtol=0)


def test_a_turn_keeps_shapes() -> None:
    """Along and across are measured in halves of the picture, so a turn must know how wide it is."""
    matrix = view.affine(torch.tensor([[0.0, 0.1, 0.0, 0.0]]), 2 / 3)[0, :, :2]
    to_pixels = torch.diag(torch.tensor([90.0, 60.0]))
    turn = to_pixels @ matrix @ to_pixels.inverse()
    torch.testing.assert_close(turn, torch.tensor([[1.0, -0.1], [0.1, 1.0]]))


def test_an_empty_picture_does_not_move() -> None:
    flat, noise = torch.zeros(1, 1, 120, 180), pictures(1)
    for before, after in ((flat, flat), (flat, noise)):
        assert view.measure_motion(before, after, torch.ones(1, 1, 120, 180)).abs().max() < 0.1


def test_places_that_stand_still_are_found() -> None:
    scene = F.interpolate(torch.randn(8, 3, 20, 32, generator=torch.Generator().manual_seed(1)), size=(80, 128))
    before, after = scene[..., :120].clone(), scene[..., 6:126].clone()
    before[..., 60:, :40] = after[..., 60:, :40] = F.interpolate(torch.randn(1, 3, 5, 10), size=(20, 40))
    weights, advantage = view.find_moving_places(F.pixel_unshuffle(before, 2), F.pixel_unshuffle(after, 2))
    assert weights.shape == (1, 1, 80, 120) and advantage.shape == (4, 40, 60)
    assert weights[0, 0, 62:, :38].mean() < 0.05 and weights[0, 0, :58, 10:-10].mean() > 0.95


def test_following() -> None:
    motions = torch.arange(8.0).view(1, 2, 4)
    followed = view.follow(motions, torch.full((1, 4), 9.0))
    assert torch.equal(followed[0, 0], motions[0, 1]) and (followed[0, 1] == 9).all()


def test_what_comes_from_outside_is_known() -> None:
    shift = view.affine(torch.tensor([[0.0, 0.0, 0.0, -8 / 40]]), 40 / 60)  # down by a tenth of the picture's height
    outside = view.unseen(F.affine_grid(shift, [1, 1, 40, 60], align_corners=False))
    assert outside.shape == (1, 4, 20, 30)
    assert (outside[:, :, :2] == 1).all() and (outside[:, :, 2:] == 0).all()
