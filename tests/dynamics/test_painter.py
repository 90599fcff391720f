"""Motion compensation: still by default, exact for a known motion."""

import torch
import torch.nn.functional as F

from dreamcade.dynamics import DynamicsConfig
from dreamcade.dynamics.painter import Painter

CONFIG = DynamicsConfig(latent_height=20, latent_width=30, patch=10, width=16, heads=2, painter_width=8)


@torch.no_grad()
def test_a_new_painter_repeats_the_frame() -> None:
    painter, latest = Painter(CONFIG), torch.randn(2, *CONFIG.latent_shape)
    painted, moved = painter(torch.randn(2, CONFIG.tokens, 16), latest)
    torch.testing.assert_close(moved, latest, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(painted, latest, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_flow_of_two_pixels_moves_by_two_pixels() -> None:
    painter, latest = Painter(CONFIG), torch.randn(1, *CONFIG.latent_shape)
    still = F.affine_grid(torch.eye(2, 3)[None], [1, 1, 40, 60], align_corners=False)
    flow = still + torch.tensor([2 * 2 / 60, 0.0])  # the unfolded latent is 60 pixels wide, from −1 to 1
    moved = painter.move(latest, flow)
    torch.testing.assert_close(moved[..., :-2], latest[..., 1:-1], atol=1e-4, rtol=1e-4)
