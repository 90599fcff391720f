"""Triton's kernels of the linear layers in a few bits."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from dreamcade.kernels.packed_weights import Fp8Weight, Int4Weight, Int8Weight
from dreamcade.kernels.tiles import EIGHT_BIT_TILES, INT4_TILES, Tile, product_tile, vector_tile

FEW_ROWS = 4
"""Up to so many rows each is multiplied on its own (a matrix-vector product): only the weight's bytes count."""

_INTERPRETED = bool(triton.knobs.runtime.interpret)
_FACTORS = {torch.bfloat16: tl.bfloat16, torch.float16: tl.float16, torch.float32: tl.float32}
"""What is multiplied; the interpreter cannot multiply bfloat16, and float32 holds the same products."""
_EVEN = tl.constexpr(12582912.0)  # 1.5 · 2²³: adding and taking it away rounds to even, as PyTorch does


def linear_int4(x: Tensor, weight: Int4Weight, bias: Tensor | None) -> Tensor:
    """As `low_bits.linear_int4`."""
    rows, y = _flat(x), x.new_empty(x[..., 0].numel(), len(weight.packed))
    (m, k), n, groups = rows.shape, y.shape[1], weight.scale.shape[1]
    low, added = weight.low if weight.low is not None else weight.scale, bias if bias is not None else weight.scale
    facts = (weight.low is not None, bias is not None, weight.group // 2)
    if m <= FEW_ROWS:
        tile = vector_tile(n)
        _int4_vector[(triton.cdiv(n, tile.columns), m)](
            rows, weight.packed, weight.scale, low, added, y, n, k, groups, *facts,
            BLOCK_N=tile.columns, num_warps=tile.warps, num_stages=tile.stages,
        )  # fmt: skip
    else:
        tile = product_tile(INT4_TILES, m, n)
        _int4_matrix[_grid(tile, m, n)](
            rows,
            weight.packed,
            weight.scale,
            low,
            added,
            y,
            m,
            n,
            k,
            groups,
            *facts,
            tl.float32 if _INTERPRETED else _FACTORS[x.dtype],
            BLOCK_M=tile.rows,
            BLOCK_N=tile.columns,
            num_warps=tile.warps,
            num_stages=tile.stages,
        )
    return y.view(*x.shape[:-1], n)


def linear_int8(x: Tensor, weight: Int8Weight, bias: Tensor | None) -> Tensor:
    """As `low_bits.linear_int8`."""
    return _eight_bits(x, weight.values, weight.scale, bias, torch.int8)


def linear_fp8(x: Tensor, weight: Fp8Weight, bias: Tensor | None) -> Tensor:
    """As `low_bits.linear_fp8`."""
    return _eight_bits(x, weight.values, weight.scale, bias, torch.uint8)


def _eight_bits(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None, kind: torch.dtype) -> Tensor:
    rows = _flat(x)
    (m, k), n = rows.shape, len(weight)
    values = torch.empty_like(rows, dtype=kind, memory_format=torch.contiguous_format)
    sizes = torch.empty(m, device=x.device)
    y = torch.empty(m, n, device=x.device, dtype=x.dtype)
    block = triton.next_power_of_2(k)
    _round_rows[(m,)](rows, values, sizes, k, kind is torch.int8, block, num_warps=min(8, max(1, block // 512)))
    tile = product_tile(EIGHT_BIT_TILES, m, n)
    _product[_grid(tile, m, n)](
        values, sizes, weight, scale, bias if bias is not None else scale, y, m, n, k, kind is torch.int8,
        bias is not None, BLOCK_M=tile.rows, BLOCK_N=tile.columns, BLOCK_K=tile.inner,
        num_warps=tile.warps, num_stages=tile.stages,
    )  # fmt: skip
    return y.view(*x.shape[:-1], n)


def _grid(tile: Tile, rows: int, outputs: int) -> tuple[int, int]:
    return triton.cdiv(rows, tile.rows), triton.cdiv(outputs, tile.columns)


def _flat(x: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[-1]).contiguous()


@triton.jit
def _int4_vector(
    x, packed, scale, low, bias, y, N, K, groups,
    HAS_LOW: tl.constexpr, HAS_BIAS: tl.constexpr, HALF: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """One row of x · Ŵᵀ: every byte of the weight is read once, in order."""
    outputs = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    token = tl.program_id(1).to(tl.int64)
    there, half = outputs < N, tl.arange(0, HALF)
    own = outputs.to(tl.int64) * groups
    sums = tl.zeros((BLOCK_N,), tl.float32)
    for g in range(groups):
        pairs = tl.load(packed + (own[:, None] + g) * HALF + half[None, :], there[:, None], 0)
        at = g * HALF * 2 + half
        below = tl.load(x + token * K + at, at < K, 0.0).to(tl.float32)
        above = tl.load(x + token * K + at + HALF, at + HALF < K, 0.0).to(tl.float32)
        part = tl.sum((pairs & 15).to(tl.float32) * below[None, :] + (pairs >> 4).to(tl.float32) * above[None, :], 1)
        step = tl.load(scale + own + g, there, 0.0).to(tl.float32)
        least = tl.load(low + own + g, there, 0.0).to(tl.float32) if HAS_LOW else -8.0 * step
        sums += step * part + least * tl.sum(below + above, 0)
    if HAS_BIAS:
        sums += tl.load(bias + outputs, there, 0.0).to(tl.float32)
    tl.store(y + token * N + outputs, sums.to(y.dtype.element_ty), there)


@triton.jit
def _int4_matrix(
    x, packed, scale, low, bias, y, M, N, K, groups,
    HAS_LOW: tl.constexpr, HAS_BIAS: tl.constexpr, HALF: tl.constexpr, FACTORS: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Ŵ · xᵀ, tile by tile: the weight is the first factor, which Hopper's tensor cores take from registers, where it
    has just been unpacked. The numbers 0 … 15 are exact in any dtype; scales come after each group's products."""
    tokens = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    outputs = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    real, there, half = tokens < M, outputs < N, tl.arange(0, HALF)
    own, rows = outputs.to(tl.int64) * groups, x + tokens.to(tl.int64)[None, :] * K
    sums = tl.zeros((BLOCK_N, BLOCK_M), tl.float32)
    for g in range(groups):
        pairs = tl.load(packed + (own[:, None] + g) * HALF + half[None, :], there[:, None], 0)
        at = g * HALF * 2 + half
        below = tl.load(rows + at[:, None], (at < K)[:, None] & real[None, :], 0.0)
        above = tl.load(rows + at[:, None] + HALF, (at + HALF < K)[:, None] & real[None, :], 0.0)
        part = tl.dot((pairs & 15).to(tl.float32).to(FACTORS), below.to(FACTORS), input_precision="ieee")
        part = tl.dot((pairs >> 4).to(tl.float32).to(FACTORS), above.to(FACTORS), part, input_precision="ieee")
        step = tl.load(scale + own + g, there, 0.0).to(tl.float32)
        least = tl.load(low + own + g, there, 0.0).to(tl.float32) if HAS_LOW else -8.0 * step
        whole = tl.sum(below.to(tl.float32) + above.to(tl.float32), 0)
        sums += step[:, None] * part + least[:, None] * whole[None, :]
    if HAS_BIAS:
        sums += tl.load(bias + outputs, there, 0.0).to(tl.float32)[:, None]
    into = y + tokens.to(tl.int64)[None, :] * N + outputs[:, None]
    tl.store(into, sums.to(y.dtype.element_ty), there[:, None] & real[None, :])


@triton.jit
def _three_bits(numbers):
    """Rounded to what float8 e4m3 holds, to even: a conversion then has nothing left to round, which the interpreter's
    does wrongly where a carry changes the exponent."""
    bits = numbers.to(tl.int32, bitcast=True)
    bits = (bits + 0x7FFFF + ((bits >> 20) & 1)) & -0x100000
    small = (numbers + _EVEN / 512) - _EVEN / 512
    return tl.where(tl.abs(numbers) < 0.015625, small, bits.to(tl.float32, bitcast=True))


@triton.jit
def _round_rows(x, values, sizes, K, INTEGER: tl.constexpr, BLOCK: tl.constexpr):
    """Each row in eight bits by a scale of its own."""
    row, at = tl.program_id(0).to(tl.int64), tl.arange(0, BLOCK)
    numbers = tl.load(x + row * K + at, at < K, 0.0).to(tl.float32)
    limit = 127.0 if INTEGER else 448.0
    size = tl.maximum(tl.div_rn(tl.max(tl.abs(numbers), 0), limit), 1e-30)
    numbers = tl.div_rn(numbers, size)
    numbers = (numbers + _EVEN) - _EVEN if INTEGER else tl.minimum(tl.maximum(numbers, -448.0), 448.0)
    kept = numbers.to(tl.int8) if INTEGER else _three_bits(numbers).to(tl.float8e4nv).to(tl.uint8, bitcast=True)
    tl.store(values + row * K + at, kept, at < K)
    tl.store(sizes + row, size)


@triton.jit
def _product(
    x, sizes, weight, scale, bias, y, M, N, K, INTEGER: tl.constexpr, HAS_BIAS: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Products of eight bits, tile by tile, and both scales at the end."""
    tokens = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    outputs = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    real, there, inner = tokens < M, outputs < N, tl.arange(0, BLOCK_K)
    first, second = x + tokens.to(tl.int64)[:, None] * K, weight + outputs.to(tl.int64)[None, :] * K
    sums = tl.zeros((BLOCK_M, BLOCK_N), tl.int32 if INTEGER else tl.float32)
    for k in range(0, K, BLOCK_K):
        at = k + inner
        a = tl.load(first + at[None, :], real[:, None] & (at < K)[None, :], 0)
        b = tl.load(second + at[:, None], there[None, :] & (at < K)[:, None], 0)
        if INTEGER:
            sums = tl.dot(a, b, sums, out_dtype=tl.int32)
        else:
            a, b = a.to(tl.float8e4nv, bitcast=True), b.to(tl.float8e4nv, bitcast=True)
            # Hopper's own sums of float8 keep 14 bits: they are left after every block.
            sums = tl.dot(a, b, sums, max_num_imprecise_acc=BLOCK_K)
    scaled = sums.to(tl.float32) * tl.load(sizes + tokens, real, 0.0)[:, None]
    scaled *= tl.load(scale + outputs, there, 0.0)[None, :]
    if HAS_BIAS:
        scaled += tl.load(bias + outputs, there, 0.0).to(tl.float32)[None, :]
    into = y + tokens.to(tl.int64)[:, None] * N + outputs[None, :]
    tl.store(into, scaled.to(y.dtype.element_ty), real[:, None] & there[None, :])
