"""Linear layers whose weights are stored in a few bits.

Four bits are for reading less: the inputs stay as they are (w4a16). Eight bits are for multiplying faster: each token's
inputs are rounded to eight bits too, on the way in, by a scale of their own (w8a8).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.kernels.choice import fuses
from dreamcade.kernels.packed_weights import LARGEST_FP8, Fp8Weight, Int4Weight, Int8Weight, PackedWeight, unpack

__all__ = ["linear", "linear_fp8", "linear_int4", "linear_int8", "rows_to_fp8", "rows_to_int8"]


def linear(x: Tensor, weight: PackedWeight, bias: Tensor | None = None) -> Tensor:
    """The one of the three that the weight is for."""
    if isinstance(weight, Int4Weight):
        return linear_int4(x, weight, bias)
    return linear_int8(x, weight, bias) if isinstance(weight, Int8Weight) else linear_fp8(x, weight, bias)


def linear_int4(x: Tensor, weight: Int4Weight, bias: Tensor | None = None) -> Tensor:
    """Inputs `[..., K]`, bias `[N]` → x · Ŵᵀ + bias, `[..., N]` in the inputs' dtype.

    Ŵ is `unpack(weight)`. Sums are float32: against float64, off by at most 2⁻²⁰·(Σ|x|·(|ŵ| + |low|) + |bias|) and the
    output's own rounding; the reference rounds Ŵ to the inputs' dtype first (2⁻⁹ of it in bfloat16).
    Raises `BadInputError` for inputs of another width.
    """
    _expect_inputs(x, weight.columns)
    if fuses(x):
        from dreamcade.kernels import triton_low_bits

        return triton_low_bits.linear_int4(x, weight, bias)
    return F.linear(x, unpack(weight, x.dtype), _cast(bias, x.dtype))


def linear_int8(x: Tensor, weight: Int8Weight, bias: Tensor | None = None) -> Tensor:
    """Inputs `[..., K]`, bias `[N]` → x̂ · Ŵᵀ + bias, `[..., N]` in the inputs' dtype.

    x̂ are the inputs as `rows_to_int8` rounds them. Products and sums are exact integers, K up to 133,000; what follows
    is float32. Against float64 on full precision: |y − y₆₄| ≤ Σ (|x|·s_w + |w|·s_x + s_x·s_w / 2) / 2, for the scales
    s_x of the token and s_w of the output, and the rounding of float32 and of the output.
    On a CPU it runs on the integer units (AVX512-VNNI), through `torch._int_mm`.
    """
    _expect_inputs(x, weight.values.shape[1])
    if fuses(x):
        from dreamcade.kernels import triton_low_bits

        return triton_low_bits.linear_int8(x, weight, bias)
    values, scale = rows_to_int8(x.reshape(-1, x.shape[-1]))
    y = _int_products(values, weight.values) * scale
    y = y.mul_(weight.scale) if bias is None else torch.addcmul(bias.float(), y, weight.scale)
    return y.to(x.dtype).reshape(*x.shape[:-1], -1)


def linear_fp8(x: Tensor, weight: Fp8Weight, bias: Tensor | None = None) -> Tensor:
    """The same in float8 e4m3, whose steps grow with the number: kinder to outliers, coarser (2⁻⁴) everywhere else.

    Needs a GPU that multiplies float8 (compute capability 8.9); elsewhere an emulation in float32, no faster.
    """
    _expect_inputs(x, weight.values.shape[1])
    if fuses(x) and (not x.is_cuda or multiplies_fp8(x.device)):
        from dreamcade.kernels import triton_low_bits

        return triton_low_bits.linear_fp8(x, weight, bias)
    values, scale = rows_to_fp8(x.reshape(-1, x.shape[-1]))
    y = values.view(torch.float8_e4m3fn).float() @ weight.values.view(torch.float8_e4m3fn).float().T
    y = y * scale * weight.scale
    y = y if bias is None else y + bias.float()
    return y.to(x.dtype).reshape(*x.shape[:-1], -1)


def rows_to_int8(x: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs `[M, K]` → int8 `[M, K]` in −127 … 127 and scales float32 `[M, 1]`; halves are rounded to even."""
    scale = (x.abs().amax(-1, keepdim=True).float() / 127).clamp_(min=1e-30)
    return (x.float() / scale).round_().to(torch.int8), scale


def rows_to_fp8(x: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs `[M, K]` → float8 e4m3 `[M, K]`, kept as uint8, and scales float32 `[M, 1]`."""
    scale = (x.abs().amax(-1, keepdim=True).float() / LARGEST_FP8).clamp_(min=1e-30)
    values = (x.float() / scale).clamp_(-LARGEST_FP8, LARGEST_FP8).to(torch.float8_e4m3fn)
    return values.view(torch.uint8), scale


def _int_products(first: Tensor, second: Tensor) -> Tensor:
    """int8 `[M, K]` · int8 `[N, K]`ᵀ, exactly: int32 on a CPU, float64 elsewhere, where nobody waits for it."""
    if first.device.type == "cpu":
        return torch._int_mm(first, second.T)
    return first.double() @ second.double().T


def multiplies_fp8(device: torch.device) -> bool:
    """Whether the device has instructions for it."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 9)


def _cast(bias: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    return None if bias is None else bias.to(dtype)


def _expect_inputs(x: Tensor, columns: int) -> None:
    if x.shape[-1] != columns or not x.is_floating_point():
        raise BadInputError(f"inputs must be floating point [..., {columns}]; got {x.dtype} {list(x.shape)}")
