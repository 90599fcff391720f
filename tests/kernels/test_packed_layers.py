"""Layers in few bits stand in for whole ones, in any dtype."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dreamcade.kernels.packed_layers import Bits, PackedConv2d, PackedLinear
from dreamcade.kernels.packed_weights import unpack

NEAR = {Bits.INT4: 0.15, Bits.INT8: 0.02, Bits.FP8: 0.06}


@pytest.mark.parametrize("bits", Bits)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_linear_layer(bits: Bits, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    whole = nn.Linear(67, 24).requires_grad_(False)
    packed = PackedLinear.of(whole, bits).to(dtype)
    x = torch.randn(2, 5, 67)
    y = packed(x.to(dtype))
    assert y.dtype == dtype and y.shape == (2, 5, 24)
    assert float((y.float() - whole(x)).norm() / whole(x).norm()) < NEAR[bits]
    assert sum(b.nbytes for b in packed.buffers()) < 0.6 * 2 * whole.weight.numel()


@pytest.mark.parametrize("bits", Bits)
def test_casting_leaves_what_is_packed_alone(bits: Bits) -> None:
    layer = PackedLinear.of(nn.Linear(64, 8), bits)
    before = unpack(layer.weight)
    cast = layer.to(torch.bfloat16).to(memory_format=torch.channels_last)
    assert torch.equal(unpack(cast.weight), before)
    assert cast.bias is not None and cast.bias.dtype == torch.bfloat16


@pytest.mark.parametrize("bits", Bits)
def test_a_convolution(bits: Bits) -> None:
    torch.manual_seed(0)
    whole = nn.Conv2d(6, 9, 3, padding=1, stride=2, bias=False).requires_grad_(False)
    packed = PackedConv2d(whole, bits)
    x = torch.randn(2, 6, 8, 10)
    weight = unpack(packed.weight).view(9, 6, 3, 3)
    assert torch.equal(packed(x), F.conv2d(x, weight, None, 2, 1))
    assert float((packed(x) - whole(x)).norm() / whole(x).norm()) < NEAR[bits]
