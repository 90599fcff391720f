"""Motion compensation: still by default, and what stands still is not carried along."""

import torch
import torch.nn.functional as F

from dreamcade.dynamics import DynamicsConfig, view
from dreamcade.dynamics.painter import Painter

CONFIG = DynamicsConfig(latent_height=20, latent_width=30, patch=10, width=16, heads=2, painter_width=8)


@torch.no_grad()
def test_without_motion_a_new_painter_repeats_the_frame() -> None:
    painter, latest = Painter(CONFIG), torch.randn(2, *CONFIG.latent_shape)
    painted, moved, motion = painter(torch.randn(2, CONFIG.tokens, 16), latest, torch.zeros(2, 4))
    torch.testing.assert_close(moved, latest, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(painted, latest, atol=1e-4, rtol=1e-4)
    assert (motion == 0).all()


@torch.no_grad()
def test_a_flow_of_two_pixels_moves_by_two_pixels() -> None:
    latest = torch.randn(1, *CONFIG.latent_shape)
    still = F.affine_grid(torch.eye(2, 3)[None], [1, 1, 40, 60], align_corners=False)
    flow = still + torch.tensor([2 * 2 / 60, 0.0])  # the unfolded latent is 60 pixels wide, from −1 to 1
    moved = view.move(latest, flow)
    torch.testing.assert_close(moved[..., :-2], latest[..., 1:-1], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_fitted_painter_carries_the_scene_but_not_the_panel() -> None:
    """Scenes that shift to the left by four pixels of the unfolded latent, under a panel that stands still."""
    config = DynamicsConfig(latent_height=60, latent_width=90, width=16, heads=2, painter_width=8)
    torch.manual_seed(0)
    scene = F.interpolate(torch.randn(12, 3, 30, 48), size=(120, 192), mode="bicubic")
    before, after = scene[..., :180].clone(), scene[..., 4:184].clone()
    panel = F.interpolate(torch.randn(1, 3, 5, 45), size=(20, 180))
    before[..., 100:, :], after[..., 100:, :] = panel, panel
    before, after = F.pixel_unshuffle(before, 2), F.pixel_unshuffle(after, 2)

    painter = Painter(config)
    painter.fit(before, after)
    motion = painter.measure(before, after)
    torch.testing.assert_close(
        motion * painter.deviation, torch.tensor([0.0, 0.0, 8 / 180, 0.0]).expand(12, 4), atol=2e-3, rtol=0
    )
    painted, _, _ = painter(torch.zeros(12, config.tokens, 16), before, motion)
    error, still = ((x - after)[:, :, 2:-2, 2:-4].abs().mean() for x in (painted, before))
    assert error < 0.2 * still
    torch.testing.assert_close(painted[:, :, 52:], after[:, :, 52:], atol=0.1, rtol=0)


@torch.no_grad()
def test_half_precision_moves_as_exactly() -> None:
    """bfloat16 places near the edge would be a third of a pixel off; the flow is float32 whatever the weights are."""
    painter = Painter(DynamicsConfig(width=16, heads=2, painter_width=8))
    tokens, motion = torch.zeros(1, 54, 16), torch.tensor([[0.0, 0.03, 0.02, -0.11]])
    exact = painter.flow(tokens, motion)
    painter.to(torch.bfloat16)
    rough = painter.flow(tokens.bfloat16(), motion.bfloat16())
    assert rough.dtype == torch.float32 and (rough - exact).abs().max() * 90 < 0.05
    latest = torch.randn(1, 12, 60, 90).bfloat16()
    painted, moved, _ = painter(tokens.bfloat16(), latest, motion.bfloat16())
    assert painted.dtype == moved.dtype == torch.bfloat16
