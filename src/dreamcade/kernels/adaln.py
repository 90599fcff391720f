"""Adaptive normalisation of a diffusion transformer (AdaLN; Peebles & Xie 2023, with RMSNorm): all of its
modulations in one product, and what applies them to the tokens in one read and one write."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.kernels.choice import fuses

EPS = 1e-6
"""Added to the mean square."""
WIDEST = 16384
"""Channels of a row that a kernel keeps on chip."""


def modulations(condition: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """silu(condition) · weightᵀ + bias: `[…, C]`, `[N, C]`, `[N]` → `[…, N]` in the condition's dtype.

    N is everything that all blocks need, rows all sampling steps of all sessions, so that the weights, which are
    nearly all of the bytes, are read once a frame. Sums are float32.
    """
    if weight.ndim != 2 or condition.shape[-1] != weight.shape[1] or bias.shape != weight.shape[:1]:
        shapes = f"{list(condition.shape)}, {list(weight.shape)}, {list(bias.shape)}"
        raise BadInputError(f"condition, weight and bias must be […, C], [N, C], [N]; got {shapes}")
    if fuses(condition) and condition.dtype == weight.dtype == bias.dtype:
        from dreamcade.kernels import triton_adaln

        return triton_adaln.modulations(condition, weight, bias)
    return F.linear(F.silu(condition.float()).to(weight.dtype), weight, bias).to(condition.dtype)


def rms_modulate(x: Tensor, scale: Tensor, shift: Tensor, eps: float = EPS) -> Tensor:
    """x / rms(x) · (1 + scale) + shift: tokens `[B, L, D]`, `scale` and `shift` `[B, D]` → `[B, L, D]` like x.

    Inside float32. `scale` and `shift` may be slices of one row of modulations.
    """
    _expect(x, scale, shift)
    if _fits(x, scale, shift):
        from dreamcade.kernels import triton_adaln

        return triton_adaln.rms_modulate(x, scale, shift, eps)
    wide = x.float()
    normed = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    return (normed * (1 + scale.float()[:, None]) + shift.float()[:, None]).to(x.dtype)


def gate_residual(x: Tensor, gate: Tensor, y: Tensor) -> Tensor:
    """x + gate · y: tokens `[B, L, D]` twice, `gate` `[B, D]` → `[B, L, D]` like x. Inside float32."""
    _expect(x, gate)
    _expect_alike(x, y)
    if _fits(x, gate):
        from dreamcade.kernels import triton_adaln

        return triton_adaln.gate_residual(x, gate, y)
    return (x.float() + gate.float()[:, None] * y.float()).to(x.dtype)


def gate_residual_rms_modulate(
    x: Tensor, gate: Tensor, y: Tensor, scale: Tensor, shift: Tensor, eps: float = EPS
) -> tuple[Tensor, Tensor]:
    """`gate_residual`, and `rms_modulate` of what comes of it: both `[B, L, D]`, in one pass over the tokens."""
    _expect(x, gate, scale, shift)
    _expect_alike(x, y)
    if _fits(x, gate, scale, shift):
        from dreamcade.kernels import triton_adaln

        return triton_adaln.gate_residual_rms_modulate(x, gate, y, scale, shift, eps)
    total = gate_residual(x, gate, y)
    return total, rms_modulate(total, scale, shift, eps)


def _fits(x: Tensor, *rows: Tensor) -> bool:
    return fuses(x) and x.shape[-1] <= WIDEST and all(row.stride(-1) == 1 for row in rows)


def _expect(x: Tensor, *rows: Tensor) -> None:
    if x.ndim != 3 or any(row.shape != (x.shape[0], x.shape[2]) for row in rows):
        got = f"{list(x.shape)} and {[list(row.shape) for row in rows]}"
        raise BadInputError(f"tokens must be [B, L, D] and their modulations [B, D]; got {got}")


def _expect_alike(x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape or x.dtype != y.dtype:
        raise BadInputError(f"y must be {x.dtype} {list(x.shape)} like x; got {y.dtype} {list(y.shape)}")
