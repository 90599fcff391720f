"""Keys and values of the last frames, in static ring buffers of 16, 8 or 4 bits.

Slot rule: frame number n (from 0) of a row lives in slot n mod N and is overwritten only by frame n + N. Hence the
slots that hold something are the first min(count, N), `count` being the number of frames written: their tokens are one
contiguous stretch, and attention, which does not care about order, needs no mask but its length. Numbers are read
from the device, so a CUDA graph can replay a write.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.kernels.choice import fuses
from dreamcade.kernels.rotary import rotate

EPS = 1e-6
"""Added to the mean square."""
GROUPS = {16: 0, 8: 1, 4: 2}
"""Scales of a head's vector, by bits: none; one; one for each half of the channels."""
LARGEST = {8: 127, 4: 7}
"""The largest code, by bits."""


@dataclass(frozen=True, slots=True)
class Ring:
    """One layer's buffers, written in place.

    `keys` and `values` `[B, H, N, L, d]`: floats; or int8 codes; or uint8 of `[…, d / 2]`, two codes of 4 bits in each,
    channel 2i in the low half, every code plus 8. A code times its scale, float16 `[B, H, N, L, groups]`, is the value.
    """

    keys: Tensor
    values: Tensor
    key_scales: Tensor
    value_scales: Tensor

    @classmethod
    def empty(
        cls,
        batch: int,
        heads: int,
        slots: int,
        tokens: int,
        head_dim: int,
        *,
        bits: int = 16,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.bfloat16,
    ) -> Ring:
        """Buffers of zeros; `dtype` is that of the floats, where `bits` is 16."""
        if bits not in GROUPS:
            raise BadInputError(f"a ring cache has 16, 8 or 4 bits; got {bits}")
        if bits == 4 and head_dim % 4:
            raise BadInputError(f"4 bits need a head_dim that is a multiple of 4; got {head_dim}")
        shape = (batch, heads, slots, tokens, head_dim // 2 if bits == 4 else head_dim)
        kind = {16: dtype, 8: torch.int8, 4: torch.uint8}[bits]
        keys, values = (torch.zeros(shape, device=device, dtype=kind) for _ in range(2))
        grouped = (*shape[:4], GROUPS[bits])
        scales = (torch.zeros(grouped, device=device, dtype=torch.float16) for _ in range(2))
        return cls(keys, values, *scales)

    @property
    def bits(self) -> int:
        """16 for floats of any size."""
        return {torch.int8: 8, torch.uint8: 4}.get(self.keys.dtype, 16)

    @property
    def slots(self) -> int:
        return self.keys.shape[2]

    @property
    def tokens(self) -> int:
        """L, tokens of a frame."""
        return self.keys.shape[3]

    @property
    def heads(self) -> int:
        return self.keys.shape[1]

    @property
    def head_dim(self) -> int:
        return self.keys.shape[4] * (2 if self.bits == 4 else 1)

    def tensors(self) -> dict[str, Tensor]:
        """All buffers by name, batch first."""
        return {n: getattr(self, n) for n in ("keys", "values", "key_scales", "value_scales")}

    def read(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Keys and values as floats, each `[B, H, N, L, d]`; zeros where nothing was written."""
        keys = dequantise(self.keys, self.key_scales, dtype)
        return keys, dequantise(self.values, self.value_scales, dtype)


def quantise(x: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Vectors `[…, d]` → codes and scales as a `Ring` keeps them. The error is at most half a scale per channel,
    or 4e-6 where that is less: scales below 6e-5 are coarse."""
    if bits == 16:
        return x, x.new_zeros(*x.shape[:-1], 0, dtype=torch.float16)
    grouped = x.float().reshape(*x.shape[:-1], GROUPS[bits], -1)
    largest = grouped.abs().amax(-1)
    scales = (largest / LARGEST[bits]).clamp(6e-8, 65504).half()
    codes = torch.floor(grouped / scales.float()[..., None] + 0.5).clamp(-LARGEST[bits], LARGEST[bits]).flatten(-2)
    if bits == 8:
        return codes.to(torch.int8), scales
    low, high = (codes + 8).to(torch.uint8).view(*x.shape[:-1], -1, 2).unbind(-1)
    return low | (high << 4), scales


def dequantise(codes: Tensor, scales: Tensor, dtype: torch.dtype) -> Tensor:
    """Inverse of `quantise`: vectors `[…, d]`. Zero scales, of what was never written, give zeros."""
    if codes.is_floating_point():
        return codes.to(dtype)
    if codes.dtype == torch.uint8:
        codes = torch.stack([codes & 15, codes >> 4], -1).flatten(-2).to(torch.int8) - 8
    grouped = codes.float().view(*codes.shape[:-1], scales.shape[-1], -1)
    return (grouped * scales.float()[..., None]).flatten(-2).to(dtype)


def norm_rope_write(
    qkv: Tensor,
    ring: Ring,
    number: Tensor,
    query_weight: Tensor,
    key_weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    eps: float = EPS,
) -> Tensor:
    """Queries, keys and values of one frame, `[B, L, 3·H·d]`, from their product to where attention takes them.

    Queries and keys are divided by their root mean square over a head's channels, multiplied by their weight `[d]` and
    turned by `cos`, `sin` (float32 `[B, L, d / 2]`, of `rotary_table`). Keys and values go into slot `number` mod N
    (int64 `[B]`) of the ring, in place; the queries are returned, `[B, H, L, d]`. Inside float32.
    """
    _expect(qkv, ring, number, cos, sin, parts=3)
    if _fits(qkv, ring):
        from dreamcade.kernels import triton_ring_cache

        return triton_ring_cache.norm_rope_write(qkv, ring, number, query_weight, key_weight, cos, sin, eps)
    width = ring.heads * ring.head_dim
    _write(qkv[..., width:], ring, number, key_weight, cos, sin, eps)
    return _norm_rope(_heads(qkv[..., :width], ring), query_weight, cos, sin, eps).to(qkv.dtype)


def norm_rope_keep(
    kv: Tensor, ring: Ring, number: Tensor, key_weight: Tensor, cos: Tensor, sin: Tensor, eps: float = EPS
) -> None:
    """`norm_rope_write` of keys and values only, `[B, L, 2·H·d]`: a frame that is remembered asks nothing."""
    _expect(kv, ring, number, cos, sin, parts=2)
    if _fits(kv, ring):
        from dreamcade.kernels import triton_ring_cache

        triton_ring_cache.norm_rope_keep(kv, ring, number, key_weight, cos, sin, eps)
    else:
        _write(kv, ring, number, key_weight, cos, sin, eps)


def _write(kv: Tensor, ring: Ring, number: Tensor, weight: Tensor, cos: Tensor, sin: Tensor, eps: float) -> None:
    key, value = (_heads(part, ring) for part in kv.chunk(2, -1))
    key = _norm_rope(key, weight, cos, sin, eps)
    rows, slot = torch.arange(len(kv), device=kv.device), number % ring.slots
    for x, codes, scales in ((key, ring.keys, ring.key_scales), (value, ring.values, ring.value_scales)):
        new_codes, new_scales = quantise(x, ring.bits)
        codes[rows, :, slot] = new_codes.to(codes.dtype)
        scales[rows, :, slot] = new_scales


def _norm_rope(x: Tensor, weight: Tensor, cos: Tensor, sin: Tensor, eps: float) -> Tensor:
    """Heads `[B, H, L, d]` → float32."""
    x = x.float()
    x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight.float()
    return rotate(x, cos[:, None], sin[:, None])


def _heads(x: Tensor, ring: Ring) -> Tensor:
    """`[B, L, H·d]` → `[B, H, L, d]`."""
    return x.view(*x.shape[:-1], ring.heads, ring.head_dim).transpose(1, 2)


def _fits(x: Tensor, ring: Ring) -> bool:
    d = ring.head_dim
    return fuses(x) and d & (d - 1) == 0 and 8 <= d <= 256


def _expect(x: Tensor, ring: Ring, number: Tensor, cos: Tensor, sin: Tensor, parts: int) -> None:
    batch, width = len(ring.keys), ring.heads * ring.head_dim
    table = (batch, ring.tokens, ring.head_dim // 2)
    if x.shape != (batch, ring.tokens, parts * width) or number.shape != (batch,):
        want = f"[{batch}, {ring.tokens}, {parts * width}] and [{batch}]"
        raise BadInputError(f"projections and frame numbers must be {want}; got {list(x.shape)}, {list(number.shape)}")
    if cos.shape != table or sin.shape != table:
        raise BadInputError(f"cos and sin must be {list(table)}; got {list(cos.shape)} and {list(sin.shape)}")
