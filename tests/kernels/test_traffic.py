"""Bytes that travel, counted from tensors."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from dreamcade.kernels.choice import using
from dreamcade.kernels.decoder_block import Norm, fused_conv, measure, pack_conv
from dreamcade.kernels.traffic import LaunchTraffic, OperatorTraffic, Traffic, block_traffic

SIZES = [(512, 60, 90), (256, 120, 180), (128, 240, 360)]


@pytest.mark.parametrize(("channels", "height", "width"), SIZES)
def test_a_block_of_eight_transactions_has_two(channels: int, height: int, width: int) -> None:
    unfused, fused = block_traffic(channels, channels, height, width)
    assert (unfused.transactions, fused.transactions) == (8, 2)
    small = channels * height * width * 2
    assert (fused.read, fused.written) == (small, 4 * small)
    assert unfused.read == small + 3 * 4 * small and unfused.written == 4 * 4 * small
    # Maps: 29 small ones become 5. Weights and statistics cost both sides, and most where the map is small.
    assert 1 - (fused.read + fused.written) / (unfused.read + unfused.written) == pytest.approx(24 / 29)
    assert fused.bytes < 0.25 * unfused.bytes


def test_without_upsampling_six_become_two() -> None:
    unfused, fused = block_traffic(128, 128, 480, 720, upsample=False)
    assert (unfused.transactions, fused.transactions) == (6, 2)
    assert fused.bytes < 0.36 * unfused.bytes


def test_bytes_follow_the_type_and_the_batch() -> None:
    one, two = (block_traffic(32, 32, 8, 8, groups=4, batch=n, dtype=torch.float32)[1] for n in (1, 2))
    assert two.read == 2 * one.read == 2 * 32 * 64 * 4


def test_a_residual_is_one_more_read() -> None:
    x = torch.empty(1, 32, 8, 8, device="meta")
    conv = pack_conv(torch.empty(32, 32, 3, 3, device="meta"))
    plain, residual = LaunchTraffic(), LaunchTraffic()
    plain(x, conv)
    residual(x, conv, residual=x)
    assert residual.traffic.transactions == plain.traffic.transactions + 1
    assert residual.traffic.read == 2 * plain.traffic.read


def test_views_are_free_and_writing_in_place_is_not() -> None:
    x = torch.zeros(1, 4, 6, 6)
    with OperatorTraffic() as counted:
        x.permute(0, 2, 3, 1).flatten(1, 2).transpose(0, 1)
    assert counted.traffic == Traffic()
    with OperatorTraffic() as counted:
        F.silu(x, inplace=True)
    assert (counted.traffic.read, counted.traffic.written) == (x.nbytes, x.nbytes)


def test_what_is_planned_is_what_a_launch_gives() -> None:
    """The stand-in's shapes, types and memory order are those of the kernel's results."""
    pytest.importorskip("triton")
    x = torch.randn(1, 8, 5, 6)
    norm = Norm(measure(x, 2), torch.ones(8), torch.zeros(8))
    conv = pack_conv(torch.randn(12, 8, 3, 3), upsample=True)
    with using("triton"):
        y, statistics = fused_conv(x, conv, norm=norm, groups=3)
    planned, shapes = LaunchTraffic()(x, conv, norm=norm, groups=3)
    assert shapes is not None
    assert (planned.shape, planned.dtype, planned.stride()) == (y.shape, y.dtype, y.stride())
    assert shapes.mean.shape == statistics.mean.shape
