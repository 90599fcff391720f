# mypy: disable-error-code="import-untyped, no-untyped-call, no-untyped-def, untyped-decorator"
"""Kernel of `dreamcade.kernels.ring_attention.ring_attention`."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from dreamcade.kernels.ring_cache import Ring
from dreamcade.kernels.tiles import attention_tile


@triton.jit
def tile(codes, scales, row, there, channel, half, like, BITS: tl.constexpr, D: tl.constexpr, BLOCK: tl.constexpr):
    """Keys or values of rows [BLOCK], whatever their bits → [BLOCK, D] in the queries' dtype."""
    if BITS == 16:
        made = tl.load(codes + row[:, None] * D + channel[None, :], there[:, None], other=0.0)
    elif BITS == 8:
        code = tl.load(codes + row[:, None] * D + channel[None, :], there[:, None], other=0)
        scale = tl.load(scales + row, there, other=0.0).to(tl.float32)
        made = (code.to(tl.float32) * scale[:, None]).to(like)
    else:
        code = tl.load(codes + row[:, None] * (D // 2) + half[None, :], there[:, None], other=0).to(tl.int32)
        both = tl.reshape(tl.join(code & 15, code >> 4), [BLOCK, D]) - 8
        low = tl.load(scales + row * 2, there, other=0.0).to(tl.float32)
        high = tl.load(scales + row * 2 + 1, there, other=0.0).to(tl.float32)
        scale = tl.where((channel < D // 2)[None, :], low[:, None], high[:, None])
        made = (both.to(tl.float32) * scale).to(like)
    return made


@triton.jit
def _span(
    mixed,
    total,
    top,
    query,
    keys,
    values,
    key_scales,
    value_scales,
    start,
    stop,
    scale,
    MASKED: tl.constexpr,
    BITS: tl.constexpr,
    D: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Rows start … stop of the keys and values into the running softmax (in powers of two)."""
    channel, half = tl.arange(0, D), tl.arange(0, D // 2)
    for begin in range(start, stop, BLOCK_N):
        row = begin + tl.arange(0, BLOCK_N)
        there = row < stop
        key = tile(keys, key_scales, row, there, channel, half, query.dtype, BITS, D, BLOCK_N)
        scores = tl.dot(query, tl.trans(key), input_precision="ieee")
        if MASKED:
            scores = tl.where(there[None, :], scores, float("-inf"))
        highest = tl.maximum(top, tl.max(scores, 1) * scale)
        weights = tl.exp2(scores * scale - highest[:, None])  # one fused instruction before the power
        shrink = tl.exp2(top - highest)
        total = total * shrink + tl.sum(weights, 1)
        value = tile(values, value_scales, row, there, channel, half, query.dtype, BITS, D, BLOCK_N)
        mixed = tl.dot(weights.to(query.dtype), value, mixed * shrink[:, None], input_precision="ieee")
        top = highest
    return mixed, total, top


@triton.jit
def _ring_attention(
    query,  # [B, H, L, d]
    keys,  # [B, H, N·T, …]
    values,
    key_scales,
    value_scales,
    own_keys,  # [B, H, O, d]
    own_values,
    count,  # [B]
    out,  # [B, L, H·d]
    length,
    heads,
    slots,
    tokens,
    own_tokens,
    scale,
    BITS: tl.constexpr,
    SCALES: tl.constexpr,
    D: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """A block of queries of one head and one row. What is written is a prefix of the ring, in whole blocks and a rest;
    so is the frame itself."""
    token = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    head, batch = tl.program_id(1), tl.program_id(2)
    line = (batch * heads + head).to(tl.int64)
    channel = tl.arange(0, D)
    asks = (token < length)[:, None]
    q = tl.load(query + (line * length + token)[:, None] * D + channel[None, :], asks, other=0.0)
    mixed = tl.zeros([BLOCK_M, D], tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    top = tl.full([BLOCK_M], float("-inf"), tl.float32)

    first = line * slots * tokens
    stored: tl.constexpr = D // 2 if BITS == 4 else D
    keys += first * stored
    values += first * stored
    key_scales += first * SCALES
    value_scales += first * SCALES
    written = tl.minimum(tl.load(count + batch), slots).to(tl.int32) * tokens
    whole = written // BLOCK_N * BLOCK_N
    mixed, total, top = _span(
        mixed, total, top, q, keys, values, key_scales, value_scales, 0, whole, scale, False, BITS, D, BLOCK_N
    )
    mixed, total, top = _span(
        mixed, total, top, q, keys, values, key_scales, value_scales, whole, written, scale, True, BITS, D, BLOCK_N
    )
    own_keys += line * own_tokens * D
    own_values += line * own_tokens * D
    whole = own_tokens // BLOCK_N * BLOCK_N
    mixed, total, top = _span(
        mixed, total, top, q, own_keys, own_values, key_scales, value_scales, 0, whole, scale, False, 16, D, BLOCK_N
    )
    mixed, total, top = _span(
        mixed, total, top, q, own_keys, own_values, key_scales, value_scales, whole, own_tokens, scale, True, 16, D,
        BLOCK_N,
    )  # fmt: skip
    at = out + ((batch.to(tl.int64) * length + token)[:, None] * heads + head) * D + channel[None, :]
    tl.store(at, (mixed / total[:, None]).to(out.dtype.element_ty), asks)


def ring_attention(query: Tensor, ring: Ring, count: Tensor, own: Ring) -> Tensor:
    """As `ring_attention.ring_attention`."""
    batch, heads, length, head_dim = query.shape
    out = torch.empty(batch, length, heads * head_dim, device=query.device, dtype=query.dtype)
    chosen = attention_tile(length, head_dim, ring.bits, query.element_size())
    _ring_attention[(triton.cdiv(length, chosen.rows), heads, batch)](
        query.contiguous(),
        ring.keys,
        ring.values,
        ring.key_scales,
        ring.value_scales,
        own.keys,
        own.values,
        count,
        out,
        length,
        heads,
        ring.slots,
        ring.tokens,
        own.tokens,
        head_dim**-0.5 * 1.4426950408889634,  # exp(x) = 2^(x · log2 e)
        BITS=ring.bits,
        SCALES=ring.key_scales.shape[-1],
        D=head_dim,
        BLOCK_M=chosen.rows,
        BLOCK_N=chosen.columns,
        num_warps=chosen.warps,
        num_stages=chosen.stages,
    )
    return out
