"""Attention of one frame's queries to the frames in a ring cache: to all of their tokens, or each to its own place."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.kernels.choice import fuses
from dreamcade.kernels.ring_cache import Ring

FITTING = (32, 64, 128)
"""Channels of a head that the kernels are built for."""


def ring_attention(query: Tensor, ring: Ring, count: Tensor, own: Ring) -> Tensor:
    """softmax(q · kᵀ / √d) · v over the ring's frames and the frame's own tokens.

    Queries `[B, H, L, d]`; `count` int64 `[B]` frames were written to the ring, whose empty slots are not seen; `own`
    holds the frame itself in one slot, as floats. Returns `[B, L, H·d]` in the queries' dtype. Codes of 8 and 4 bits
    become floats on chip (Dao 2023's blockwise softmax), so the cache is read once, as small as it is.
    """
    _expect(query, ring, count)
    if own.bits != 16 or own.slots != 1 or own.keys.shape[:2] != query.shape[:2]:
        want = f"one slot of floats for {list(query.shape[:2])} rows and heads"
        raise BadInputError(f"own must have {want}; got {own.bits} bits, {list(own.keys.shape)}")
    if _fits(query, ring) and own.keys.dtype == query.dtype:
        from dreamcade.kernels import triton_ring_attention

        return triton_ring_attention.ring_attention(query, ring, count, own)
    parts = zip(ring.read(query.dtype), own.read(query.dtype), strict=True)
    keys, values = (torch.cat([past.flatten(2, 3), now.flatten(2, 3)], 2) for past, now in parts)
    there = torch.arange(ring.slots, device=query.device) < count[:, None]
    there = there.repeat_interleave(ring.tokens, 1)
    there = torch.cat([there, there.new_ones(len(query), own.tokens)], 1)
    mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=there[:, None, None])
    return mixed.transpose(1, 2).flatten(2)


def place_attention(query: Tensor, ring: Ring, count: Tensor) -> Tensor:
    """softmax(q · kᵀ / √d) · v of each token over its own place in the ring's frames.

    Queries `[B, H, L, d]`; `count` int64 `[B]` as in `ring_attention`. Returns `[B, L, H·d]` in the queries' dtype:
    zeros where the ring is empty.
    """
    _expect(query, ring, count)
    if query.shape[2] != ring.tokens:
        raise BadInputError(f"there must be a query for each of {ring.tokens} places; got {query.shape[2]}")
    if _fits(query, ring):
        from dreamcade.kernels import triton_place_attention

        return triton_place_attention.place_attention(query, ring, count)
    keys, values = ring.read(torch.float32)
    scores = (query.float()[:, :, None] * keys).sum(-1) * query.shape[-1] ** -0.5
    there = (torch.arange(ring.slots, device=query.device) < count[:, None])[:, None, :, None]
    weights = scores.masked_fill(~there, -torch.inf).softmax(2).where(there, 0)
    mixed: Tensor = (weights[..., None] * values).sum(2)
    return mixed.to(query.dtype).transpose(1, 2).flatten(2)


def _fits(query: Tensor, ring: Ring) -> bool:
    floats = ring.bits < 16 or ring.keys.dtype == query.dtype
    return fuses(query) and query.shape[-1] in FITTING and floats


def _expect(query: Tensor, ring: Ring, count: Tensor) -> None:
    batch, heads, _, _, _ = ring.keys.shape
    want = (batch, heads, ring.head_dim)
    if query.ndim != 4 or (*query.shape[:2], query.shape[3]) != want or count.shape != (batch,):
        sizes = f"[{batch}, {heads}, L, {ring.head_dim}] and [{batch}]"
        raise BadInputError(f"queries and counts must be {sizes}; got {list(query.shape)}, {list(count.shape)}")
