"""Layers that hold their weights in a few bits, with the call signature of the ones they stand in for."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Self

import torch.nn.functional as F
from torch import Tensor, nn

from dreamcade.kernels.low_bits import linear
from dreamcade.kernels.packed_weights import (
    Fp8Weight,
    Int4Weight,
    Int8Weight,
    PackedWeight,
    pack_fp8,
    pack_int4,
    pack_int8,
    unpack,
)

GROUP = 64
"""Inputs that share a scale in four bits; few enough for layers of 192."""


class Bits(enum.StrEnum):
    """How a weight is stored."""

    INT4 = "int4"
    """Four bits and a scale for every few inputs; the inputs stay as they are."""
    INT8 = "int8"
    """Eight bits; a linear layer rounds its inputs to eight as well."""
    FP8 = "fp8"
    """Likewise in float8 e4m3, which needs a Hopper or Ada GPU to be any faster."""


class PackedLayer(nn.Module):
    """Keeps a packed weight as buffers. Whatever the module is cast to, they stay as they are."""

    def __init__(self, weight: Tensor, bias: Tensor | None, bits: Bits) -> None:
        super().__init__()
        self.bits = bits
        packed = pack_weight(weight.detach().flatten(1), bits)
        self.columns = weight[0].numel()
        fields = ("packed", "scale", "low") if isinstance(packed, Int4Weight) else ("values", "scale")
        for name in fields:
            self.register_buffer(name, getattr(packed, name))
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone(), requires_grad=False)

    @property
    def weight(self) -> PackedWeight:
        """The weight as it is stored."""
        buffers = dict(self.named_buffers(recurse=False))
        if self.bits is Bits.INT4:
            return Int4Weight(buffers["packed"], buffers["scale"], buffers.get("low"), self.columns)
        kind = Int8Weight if self.bits is Bits.INT8 else Fp8Weight
        return kind(buffers["values"], buffers["scale"])

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        kept = dict(self._buffers)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, before in kept.items():
            now = self._buffers[name]
            if before is not None and now is not None and now.dtype != before.dtype:
                self._buffers[name] = before.to(now.device)
        return self


class PackedLinear(PackedLayer):
    """Stands in for an `nn.Linear`: `[..., K]` → `[..., N]`."""

    @classmethod
    def of(cls, layer: nn.Linear, bits: Bits) -> PackedLinear:
        """The same layer in a few bits."""
        return cls(layer.weight, layer.bias, bits)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


class PackedConv2d(PackedLayer):
    """Stands in for an `nn.Conv2d`: `[B, C, H, W]` → `[B, N, H', W']`.

    Only its weight is in a few bits: it is unpacked whenever it is needed, into the dtype of what comes in. That saves
    memory, not time.
    """

    def __init__(self, layer: nn.Conv2d, bits: Bits) -> None:
        super().__init__(layer.weight, layer.bias, bits)
        self.shape = layer.weight.shape
        self.stride, self.padding, self.dilation, self.groups = (
            layer.stride, layer.padding, layer.dilation, layer.groups
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        weight = unpack(self.weight, x.dtype).view(self.shape)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


def pack_weight(weight: Tensor, bits: Bits) -> PackedWeight:
    """A weight `[N, K]` in so many bits; four with `GROUP` inputs to a scale and a lowest number, both searched for."""
    if bits is Bits.INT4:
        return pack_int4(weight, GROUP)
    return pack_int8(weight) if bits is Bits.INT8 else pack_fp8(weight)
