# mypy: disable-error-code="import-untyped, no-untyped-call, no-untyped-def, untyped-decorator"
"""Kernels of `dreamcade.kernels.ring_cache`.

Channels turn in neighbouring pairs, and codes of 4 bits are packed in the same pairs, so both happen within a thread.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from dreamcade.kernels.ring_cache import Ring

BLOCK = 32
"""Tokens of a program."""


@triton.jit
def _norm_rope(x, weight, cos, sin, eps, HALF: tl.constexpr, BLOCK: tl.constexpr):
    """A head's vectors [BLOCK, 2·HALF] → even and odd channels, float32 [BLOCK, HALF]."""
    channel = tl.arange(0, 2 * HALF)
    x = x.to(tl.float32)
    x = x * (1.0 / tl.sqrt(tl.sum(x * x, 1) / (2 * HALF) + eps))[:, None]
    x = x * tl.load(weight + channel).to(tl.float32)[None, :]
    even, odd = tl.split(tl.reshape(x, [BLOCK, HALF, 2]))
    return even * cos - odd * sin, odd * cos + even * sin


@triton.jit
def _codes(x, scale, LARGEST: tl.constexpr):
    return tl.minimum(tl.maximum(tl.floor(x / scale + 0.5), -LARGEST), LARGEST)


@triton.jit
def _scale(largest, LARGEST: tl.constexpr):
    return tl.minimum(tl.maximum(largest / LARGEST, 6e-8), 65504.0).to(tl.float16)


@triton.jit
def _keep(buffer, scales, row, there, even, odd, BITS: tl.constexpr, HALF: tl.constexpr, BLOCK: tl.constexpr):
    """Vectors [BLOCK, HALF] twice into rows of the ring."""
    channel, pair = tl.arange(0, 2 * HALF), tl.arange(0, HALF)
    at = buffer + row[:, None] * (2 * HALF) + channel[None, :]
    size = tl.maximum(tl.abs(even), tl.abs(odd))
    if BITS == 16:
        both = tl.reshape(tl.join(even, odd), [BLOCK, 2 * HALF])
        tl.store(at, both.to(buffer.dtype.element_ty), there[:, None])
    elif BITS == 8:
        scale = _scale(tl.max(size, 1), 127.0)
        wide = scale.to(tl.float32)[:, None]
        both = tl.reshape(tl.join(_codes(even, wide, 127.0), _codes(odd, wide, 127.0)), [BLOCK, 2 * HALF])
        tl.store(at, both.to(tl.int8), there[:, None])
        tl.store(scales + row, scale, there)
    else:
        first = (pair < HALF // 2)[None, :]
        low = _scale(tl.max(tl.where(first, size, 0.0), 1), 7.0)
        high = _scale(tl.max(tl.where(first, 0.0, size), 1), 7.0)
        wide = tl.where(first, low.to(tl.float32)[:, None], high.to(tl.float32)[:, None])
        even, odd = (_codes(even, wide, 7.0) + 8.0).to(tl.int32), (_codes(odd, wide, 7.0) + 8.0).to(tl.int32)
        tl.store(buffer + row[:, None] * HALF + pair[None, :], (even | (odd << 4)).to(tl.uint8), there[:, None])
        tl.store(scales + row * 2, low, there)
        tl.store(scales + row * 2 + 1, high, there)


@triton.jit
def _norm_rope_write(
    projected,  # [B, L, 3·H·d], or [B, L, 2·H·d] without queries
    queries,  # [B, H, L, d]
    keys,  # [B, H, N, L, …]
    values,
    key_scales,
    value_scales,
    number,  # [B]
    query_weight,  # [d]
    key_weight,
    cos,  # [B, L, d/2]
    sin,
    length,
    heads,
    slots,
    eps,
    QUERIES: tl.constexpr,
    BITS: tl.constexpr,
    HALF: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """A block of tokens of one head and one row."""
    token = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    head, batch = tl.program_id(1), tl.program_id(2).to(tl.int64)
    there = token < length
    mask = there[:, None]
    channel, pair = tl.arange(0, 2 * HALF), tl.arange(0, HALF)
    width = heads * 2 * HALF
    line = batch * length + token
    c = tl.load(cos + line[:, None] * HALF + pair[None, :], mask, other=0.0)
    s = tl.load(sin + line[:, None] * HALF + pair[None, :], mask, other=0.0)
    if QUERIES:
        source = projected + line[:, None] * (3 * width) + head * 2 * HALF + channel[None, :]
        even, odd = _norm_rope(tl.load(source, mask, other=0.0), query_weight, c, s, eps, HALF, BLOCK)
        row = (batch * heads + head) * length + token
        both = tl.reshape(tl.join(even, odd), [BLOCK, 2 * HALF]).to(queries.dtype.element_ty)
        tl.store(queries + row[:, None] * (2 * HALF) + channel[None, :], both, mask)
        source += width
    else:
        source = projected + line[:, None] * (2 * width) + head * 2 * HALF + channel[None, :]
    row = ((batch * heads + head) * slots + tl.load(number + batch) % slots) * length + token
    even, odd = _norm_rope(tl.load(source, mask, other=0.0), key_weight, c, s, eps, HALF, BLOCK)
    _keep(keys, key_scales, row, there, even, odd, BITS, HALF, BLOCK)
    value = tl.load(source + width, mask, other=0.0).to(tl.float32)
    even, odd = tl.split(tl.reshape(value, [BLOCK, HALF, 2]))
    _keep(values, value_scales, row, there, even, odd, BITS, HALF, BLOCK)


def norm_rope_write(
    qkv: Tensor,
    ring: Ring,
    number: Tensor,
    query_weight: Tensor,
    key_weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    eps: float,
) -> Tensor:
    """As `ring_cache.norm_rope_write`."""
    queries = torch.empty(len(qkv), ring.heads, ring.tokens, ring.head_dim, device=qkv.device, dtype=qkv.dtype)
    _launch(qkv, queries, ring, number, query_weight, key_weight, cos, sin, eps, asks=True)
    return queries


def norm_rope_keep(
    kv: Tensor, ring: Ring, number: Tensor, key_weight: Tensor, cos: Tensor, sin: Tensor, eps: float
) -> None:
    """As `ring_cache.norm_rope_keep`."""
    _launch(kv, kv, ring, number, key_weight, key_weight, cos, sin, eps, asks=False)


def _launch(
    projected: Tensor,
    queries: Tensor,
    ring: Ring,
    number: Tensor,
    query_weight: Tensor,
    key_weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    eps: float,
    *,
    asks: bool,
) -> None:
    grid = (triton.cdiv(ring.tokens, BLOCK), ring.heads, len(projected))
    _norm_rope_write[grid](
        projected.contiguous(),
        queries,
        ring.keys,
        ring.values,
        ring.key_scales,
        ring.value_scales,
        number,
        query_weight,
        key_weight,
        cos.contiguous(),
        sin.contiguous(),
        ring.tokens,
        ring.heads,
        ring.slots,
        eps,
        QUERIES=asks,
        BITS=ring.bits,
        HALF=ring.head_dim // 2,
        BLOCK=BLOCK,
        num_warps=4,
    )
