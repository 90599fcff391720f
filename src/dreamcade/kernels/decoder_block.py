"""The decoder's block, upsample → convolution → group norm → SiLU, with one read of its input and one write of its
output: what arXiv 2602.00608 calls vertical fusion.

Group norm needs statistics over a whole map, so it is cut in two. The convolution that makes a map also measures it,
and the one that reads the map normalises it, applies SiLU and upsamples it on the way in. Nothing in between is stored.

Maps are `[B, C, H, W]`, float32 or bfloat16 (or float16), best in channels-last order, which is what comes out.

A map may be a strip of a larger one: then it has rows of its neighbours at its ends (`Borders`), which convolutions
read, and its statistics are merged with those of the other strips (`merge`) before a norm uses them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.kernels.choice import fuses

FUSED_TYPES = (torch.bfloat16, torch.float16, torch.float32)
KERNEL_SIZES = (1, 3)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of a map's groups of channels: `mean` and (biased) `variance`, float32 `[B, groups]`."""

    mean: Tensor
    variance: Tensor

    @property
    def groups(self) -> int:
        return self.mean.shape[1]


@dataclass(frozen=True, slots=True)
class Borders:
    """How many of a strip's first and last rows (each 0 or 1) are its neighbours'; 0 at the whole map's edge."""

    above: int = 0
    below: int = 0

    @property
    def rows(self) -> int:
        return self.above + self.below

    def inside(self, x: Tensor) -> Tensor:
        """The strip's own rows of a map with borders `[B, C, rows, W]`."""
        return x.narrow(2, self.above, x.shape[2] - self.rows)


NO_BORDERS = Borders()


@dataclass(frozen=True, slots=True)
class Norm:
    """Group norm of a map that has been measured, with SiLU after it: `weight` and `bias` are `[C]`."""

    statistics: Statistics
    weight: Tensor
    bias: Tensor
    epsilon: float = 1e-6
    silu: bool = True


@dataclass(frozen=True, slots=True)
class PackedConv:
    """A convolution of 1×1, or 3×3 with padding of one, made ready once by `pack_conv`.

    `blocks` is what the kernel reads, `[phases, taps, in, out]`, zeros beyond the real channels.
    """

    weight: Tensor
    bias: Tensor
    blocks: Tensor
    upsample: bool

    @property
    def size(self) -> int:
        return self.weight.shape[-1]

    @property
    def channels(self) -> tuple[int, int]:
        """(in, out)."""
        return self.weight.shape[1], self.weight.shape[0]


def pack_conv(weight: Tensor, bias: Tensor | None = None, *, upsample: bool = False) -> PackedConv:
    """Makes a weight `[out, in, k, k]` (k 1 or 3) and a bias `[out]` ready; with `upsample`, for an input that is first
    doubled in height and width (nearest).

    A 3×3 convolution of a doubled map sees, at each of the four positions within a doubled pixel, only 2×2 different
    pixels. So it is packed as four 2×2 convolutions of the small map whose weights are sums of the 3×3 weights: 4/9 of
    the multiplications. The sums are rounded once more to the weight's type. Raises `BadInputError` for other sizes.
    """
    if weight.ndim != 4 or weight.shape[2] != weight.shape[3] or weight.shape[2] not in KERNEL_SIZES:
        raise BadInputError(f"a weight must be [out, in, 1, 1] or [out, in, 3, 3]; got {list(weight.shape)}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise BadInputError(f"a bias must be [{weight.shape[0]}]; got {list(bias.shape)}")
    outputs, inputs = weight.shape[:2]
    exact = weight.detach() if weight.dtype is torch.float64 else weight.detach().float()
    taps = _phases(exact) if upsample else exact[None]
    blocks = taps.permute(0, 3, 4, 2, 1).flatten(1, 2)
    blocks = F.pad(blocks, (0, padded(outputs) - outputs, 0, padded(inputs) - inputs))
    bias = torch.zeros_like(weight[:, 0, 0, 0]) if bias is None else bias
    return PackedConv(weight.detach(), bias.detach(), blocks.to(weight.dtype).contiguous(), upsample)


def padded(channels: int) -> int:
    """Channels rounded up to what a tensor core's tile divides: a power of two from 16 to 64, then multiples of 64."""
    if channels > 64:
        return -(-channels // 64) * 64
    return max(16, 1 << (channels - 1).bit_length())


def _phases(weight: Tensor) -> Tensor:
    """`[out, in, 3, 3]` over a doubled map → `[4, out, in, 2, 2]` over the small one; 1×1 stays 1×1."""
    if weight.shape[-1] == 1:
        return weight.expand(4, *weight.shape)
    top, middle, bottom = weight.unbind(2)
    rows = [torch.stack((top, middle + bottom), 2), torch.stack((top + middle, bottom), 2)]
    phases = []
    for row in rows:
        left, centre, right = row.unbind(3)
        phases += [torch.stack((left, centre + right), 3), torch.stack((left + centre, right), 3)]
    return torch.stack(phases)


@overload
def fused_conv(
    x: Tensor, conv: PackedConv, *, norm: Norm | None = None, residual: Tensor | None = None,
    groups: None = None, borders: Borders = NO_BORDERS,
) -> tuple[Tensor, None]: ...  # fmt: skip


@overload
def fused_conv(
    x: Tensor, conv: PackedConv, *, norm: Norm | None = None, residual: Tensor | None = None,
    groups: int, borders: Borders = NO_BORDERS,
) -> tuple[Tensor, Statistics]: ...  # fmt: skip


@overload
def fused_conv(
    x: Tensor, conv: PackedConv, *, norm: Norm | None = None, residual: Tensor | None = None,
    groups: int | None = None, borders: Borders = NO_BORDERS,
) -> tuple[Tensor, Statistics | None]: ...  # fmt: skip


def fused_conv(
    x: Tensor, conv: PackedConv, *, norm: Norm | None = None, residual: Tensor | None = None,
    groups: int | None = None, borders: Borders = NO_BORDERS,
) -> tuple[Tensor, Statistics | None]:  # fmt: skip
    """conv(upsample(SiLU(norm(x)))) + bias + residual `[B, out, H, W]`, and its statistics in `groups` groups.

    `x` is `[B, in, h, w]`, and H × W is h × w, or twice that each way where `conv` upsamples. Padding is zero *after*
    norm and SiLU. Sums are float32; the result has the type of `x`. Without `groups` nothing is measured.
    The kernels give no gradients; the reference does.

    With `borders`, `x`, `residual` and the result are strips with so many rows of their neighbours: those of `x` are
    read, those of the residual are not, and those of the result are room for what the neighbours make: anything may
    stand there. Statistics are of the strip's own rows.

    Raises `BadInputError` where shapes or types do not fit each other.
    """
    _check(x, conv, norm, residual, groups, borders)
    if fuses(x) and x.dtype in FUSED_TYPES:
        from dreamcade.kernels.decoder_block_plan import plan_conv
        from dreamcade.kernels.triton_decoder_block import launch

        plan = plan_conv(x, conv, norm=norm, residual=residual, groups=groups, borders=borders)
        launch(plan)
        return plan.y, plan.statistics
    return _reference(x, conv, norm, residual, groups, borders)


def measure(x: Tensor, groups: int) -> Statistics:
    """The statistics of a map `[B, C, H, W]` that no fused convolution has made. Float64 maps are measured in float64.

    Raises `BadInputError` where the groups do not divide the channels.
    """
    _check_groups(x.shape[1], groups)
    values = x if x.dtype is torch.float64 else x.float()
    variance, mean = torch.var_mean(values.reshape(x.shape[0], groups, -1), dim=2, correction=0)
    return Statistics(mean, variance)


def merge(counts: Tensor, means: Tensor, variances: Tensor) -> Statistics:
    """The statistics of a map of which each part `[parts, B, groups]` has been measured (Chan's formula: no difference
    of large sums). `counts` are each part's numbers, in any unit; they broadcast to the parts."""
    shares = counts / counts.sum(0)
    mean = (shares * means).sum(0)
    return Statistics(mean, (shares * (variances + (means - mean).square())).sum(0))


def normalise(x: Tensor, norm: Norm) -> Tensor:
    """Group norm of `x` by its statistics, then SiLU, in float32 (float64 for such maps); the result is of its type."""
    values = x if x.dtype is torch.float64 else x.float()
    repeats = x.shape[1] // norm.statistics.groups
    scale = (norm.statistics.variance + norm.epsilon).rsqrt().repeat_interleave(repeats, 1) * norm.weight
    shift = norm.bias - norm.statistics.mean.repeat_interleave(repeats, 1) * scale
    values = values * scale[:, :, None, None] + shift[:, :, None, None]
    return (F.silu(values) if norm.silu else values).to(x.dtype)


def _reference(
    x: Tensor, conv: PackedConv, norm: Norm | None, residual: Tensor | None, groups: int | None, borders: Borders
) -> tuple[Tensor, Statistics | None]:
    """Borders are convolved like all rows, and come out wrong: they are nobody's result."""
    hidden = x if norm is None else normalise(x, norm)
    if conv.upsample:
        hidden = F.interpolate(hidden, scale_factor=2.0, mode="nearest")
    y = F.conv2d(hidden, conv.weight, conv.bias, padding=conv.size // 2)
    if conv.upsample and borders.rows:
        y = y.narrow(2, borders.above, y.shape[2] - borders.rows)  # of the two rows that one became
    y = y if residual is None else y + residual
    return y, None if groups is None else measure(borders.inside(y), groups)


def _check(
    x: Tensor, conv: PackedConv, norm: Norm | None, residual: Tensor | None, groups: int | None, borders: Borders
) -> None:
    inputs, outputs = conv.channels
    if x.ndim != 4 or x.shape[1] != inputs or 0 in x.shape:
        raise BadInputError(f"a map must be [B, {inputs}, h, w], none of them 0; got {list(x.shape)}")
    if conv.weight.dtype != x.dtype or conv.weight.device != x.device:
        raise BadInputError(
            f"the weight must have the map's type and device, {x.dtype} on {x.device}; "
            f"got {conv.weight.dtype} on {conv.weight.device}"
        )
    if x.shape[2] <= borders.rows:
        raise BadInputError(
            f"a strip with {borders.rows} border rows must have rows of its own; got {x.shape[2]} in all"
        )
    scale = 2 if conv.upsample else 1
    rows = (x.shape[2] - borders.rows) * scale + borders.rows
    shape = (x.shape[0], outputs, rows, x.shape[3] * scale)
    if residual is not None and (residual.shape != shape or residual.dtype != x.dtype):
        raise BadInputError(
            f"a residual must be {list(shape)} of {x.dtype}; got {list(residual.shape)} of {residual.dtype}"
        )
    if norm is not None:
        _check_groups(inputs, norm.statistics.groups)
        if norm.weight.shape != (inputs,) or norm.bias.shape != (inputs,):
            raise BadInputError(f"a norm's weight and bias must be [{inputs}]; got {list(norm.weight.shape)}")
        if norm.statistics.mean.shape[0] != x.shape[0]:
            raise BadInputError(f"the statistics are of {norm.statistics.mean.shape[0]} maps; got {x.shape[0]}")
    if groups is not None:
        _check_groups(outputs, groups)


def _check_groups(channels: int, groups: int) -> None:
    if groups < 1 or channels % groups:
        raise BadInputError(f"groups must divide the channels; got {groups} groups of {channels} channels")
