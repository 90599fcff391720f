# mypy: disable-error-code="import-untyped, no-untyped-call, no-untyped-def, untyped-decorator"
"""Kernels of `dreamcade.kernels.adaln`."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _modulations(
    condition,  # [M, C]
    weight,  # [N, C]
    bias,  # [N]
    out,  # [M, N]
    rows,
    outputs,
    width,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """One block of outputs for a few rows. The weights are the left operand: theirs is the long side."""
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    m = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    total = tl.zeros([BLOCK_N, BLOCK_M], tl.float32)
    for start in range(0, width, BLOCK_K):
        k = start + tl.arange(0, BLOCK_K)
        there = (n < outputs)[:, None] & (k < width)[None, :]
        left = tl.load(weight + n.to(tl.int64)[:, None] * width + k[None, :], there, other=0.0)
        there = (k < width)[:, None] & (m < rows)[None, :]
        right = tl.load(condition + m[None, :] * width + k[:, None], there, other=0.0).to(tl.float32)
        right = (right / (1.0 + tl.exp(-right))).to(left.dtype)
        total = tl.dot(left, right, total, input_precision="ieee")
    total += tl.load(bias + n, n < outputs, other=0.0).to(tl.float32)[:, None]
    target = out + m.to(tl.int64)[None, :] * outputs + n[:, None]
    tl.store(target, total.to(out.dtype.element_ty), (n < outputs)[:, None] & (m < rows)[None, :])


@triton.jit
def _modulate(
    x,  # [B * L, D], as are y, total and normed
    y,
    gate,  # [B, D], as are scale and shift, each with its stride of a row
    scale,
    shift,
    total,
    normed,
    length,
    width,
    gate_stride,
    scale_stride,
    shift_stride,
    eps,
    GATED: tl.constexpr,
    NORMED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One token a program: x + gate · y if GATED, and its modulated norm if NORMED."""
    row = tl.program_id(0)
    batch = row // length
    column = tl.arange(0, BLOCK)
    there = column < width
    at = row.to(tl.int64) * width + column
    value = tl.load(x + at, there, other=0.0)
    if GATED:
        gates = tl.load(gate + batch * gate_stride + column, there, other=0.0).to(tl.float32)
        added = tl.load(y + at, there, other=0.0).to(tl.float32)
        value = (value.to(tl.float32) + gates * added).to(value.dtype)
        tl.store(total + at, value, there)
    if NORMED:
        wide = value.to(tl.float32)  # of what was rounded: the same as two passes
        wide = wide * (1.0 / tl.sqrt(tl.sum(wide * wide, 0) / width + eps))
        scales = tl.load(scale + batch * scale_stride + column, there, other=0.0).to(tl.float32)
        shifts = tl.load(shift + batch * shift_stride + column, there, other=0.0).to(tl.float32)
        tl.store(normed + at, (wide * (1.0 + scales) + shifts).to(value.dtype), there)


def modulations(condition: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """As `adaln.modulations`."""
    outputs, width = weight.shape
    flat = condition.reshape(-1, width).contiguous()
    out = torch.empty(len(flat), outputs, device=flat.device, dtype=flat.dtype)
    # 64 rows of weights by 128 numbers are 16 KiB in flight a stage: enough to fill the memory bus.
    block_m = max(16, min(64, triton.next_power_of_2(len(flat))))
    block_k = max(16, min(128, triton.next_power_of_2(width)))
    grid = (triton.cdiv(outputs, 64), triton.cdiv(len(flat), block_m))
    _modulations[grid](
        flat,
        weight.contiguous(),
        bias.contiguous(),
        out,
        len(flat),
        outputs,
        width,
        BLOCK_M=block_m,
        BLOCK_N=64,
        BLOCK_K=block_k,
        num_warps=4,
        num_stages=4,
    )
    return out.view(*condition.shape[:-1], outputs)


def rms_modulate(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """As `adaln.rms_modulate`."""
    x = x.contiguous()
    normed = torch.empty_like(x)
    _launch(x, x, scale, scale, shift, x, normed, eps, gated=False, norms=True)
    return normed


def gate_residual(x: Tensor, gate: Tensor, y: Tensor) -> Tensor:
    """As `adaln.gate_residual`."""
    x = x.contiguous()
    total = torch.empty_like(x)
    _launch(x, y.contiguous(), gate, gate, gate, total, total, 0.0, gated=True, norms=False)
    return total


def gate_residual_rms_modulate(
    x: Tensor, gate: Tensor, y: Tensor, scale: Tensor, shift: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """As `adaln.gate_residual_rms_modulate`."""
    x = x.contiguous()
    total, normed = torch.empty_like(x), torch.empty_like(x)
    _launch(x, y.contiguous(), gate, scale, shift, total, normed, eps, gated=True, norms=True)
    return total, normed


def _launch(
    x: Tensor,
    y: Tensor,
    gate: Tensor,
    scale: Tensor,
    shift: Tensor,
    total: Tensor,
    normed: Tensor,
    eps: float,
    *,
    gated: bool,
    norms: bool,
) -> None:
    """What is not used stands in for what is: a kernel takes no holes."""
    batch, length, width = x.shape
    block = triton.next_power_of_2(width)
    _modulate[(batch * length,)](
        x,
        y,
        gate,
        scale,
        shift,
        total,
        normed,
        length,
        width,
        gate.stride(0),
        scale.stride(0),
        shift.stride(0),
        eps,
        GATED=gated,
        NORMED=norms,
        BLOCK=block,
        num_warps=max(1, min(8, block // 512)),
    )
