# mypy: disable-error-code="import-untyped, no-untyped-call, no-untyped-def, untyped-decorator"
"""Kernel of `dreamcade.kernels.ring_attention.place_attention`."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from dreamcade.kernels.ring_cache import Ring
from dreamcade.kernels.triton_ring_attention import tile

BLOCK = 32
"""Places of a program."""


@triton.jit
def _place_attention(
    query,  # [B, H, L, d]
    keys,  # [B, H, N, L, …]
    values,
    key_scales,
    value_scales,
    count,  # [B]
    out,  # [B, L, H·d]
    length,
    heads,
    slots,
    scale,
    BITS: tl.constexpr,
    SCALES: tl.constexpr,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """A block of places of one head and one row: few numbers for many bytes, so no matrices, only a running softmax."""
    token = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    head, batch = tl.program_id(1), tl.program_id(2)
    line = (batch * heads + head).to(tl.int64)
    channel, half = tl.arange(0, D), tl.arange(0, D // 2)
    there = token < length
    q = tl.load(query + (line * length + token)[:, None] * D + channel[None, :], there[:, None], other=0.0)
    q = q.to(tl.float32) * scale
    first = line * slots * length
    stored: tl.constexpr = D // 2 if BITS == 4 else D
    keys += first * stored
    values += first * stored
    key_scales += first * SCALES
    value_scales += first * SCALES
    mixed = tl.zeros([BLOCK, D], tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    top = tl.full([BLOCK], -1e30, tl.float32)
    written = tl.minimum(tl.load(count + batch), slots).to(tl.int32)
    for slot in range(0, written):
        row = slot * length + token
        key = tile(keys, key_scales, row, there, channel, half, tl.float32, BITS, D, BLOCK)
        scores = tl.sum(q * key.to(tl.float32), 1)
        highest = tl.maximum(top, scores)
        weight, shrink = tl.exp2(scores - highest), tl.exp2(top - highest)
        value = tile(values, value_scales, row, there, channel, half, tl.float32, BITS, D, BLOCK)
        mixed = mixed * shrink[:, None] + weight[:, None] * value.to(tl.float32)
        total = total * shrink + weight
        top = highest
    mixed = mixed / tl.where(total > 0, total, 1.0)[:, None]
    at = out + ((batch.to(tl.int64) * length + token)[:, None] * heads + head) * D + channel[None, :]
    tl.store(at, mixed.to(out.dtype.element_ty), there[:, None])


def place_attention(query: Tensor, ring: Ring, count: Tensor) -> Tensor:
    """As `ring_attention.place_attention`."""
    batch, heads, length, head_dim = query.shape
    out = torch.empty(batch, length, heads * head_dim, device=query.device, dtype=query.dtype)
    _place_attention[(triton.cdiv(length, BLOCK), heads, batch)](
        query.contiguous(),
        ring.keys,
        ring.values,
        ring.key_scales,
        ring.value_scales,
        count,
        out,
        length,
        heads,
        ring.slots,
        head_dim**-0.5 * 1.4426950408889634,
        BITS=ring.bits,
        SCALES=ring.key_scales.shape[-1],
        D=head_dim,
        BLOCK=BLOCK,
        num_warps=4,
    )
    return out
