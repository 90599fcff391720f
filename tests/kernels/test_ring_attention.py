"""Attention to the ring cache: against float64 over what was written, in every state of the ring and every size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.kernels.choice import using
from dreamcade.kernels.ring_attention import place_attention, ring_attention
from dreamcade.kernels.ring_cache import Ring, quantise

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
BOUND = {torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}
"""Of a mean of values whose size is about 1. (Triton's interpreter multiplies no bfloat16; float16 stands for it.)"""
SIZES = {
    "batch": st.integers(1, 2),
    "heads": st.integers(1, 2),
    "slots": st.integers(1, 3),
    "tokens": st.integers(1, 37),
    "count": st.integers(0, 5),
    "dtype": st.sampled_from([torch.float32, torch.float16]),
}


def filled(batch: int, heads: int, slots: int, tokens: int, bits: int, dtype: torch.dtype, device: str = "cpu") -> Ring:
    """Every slot holds something: what must not be seen would be noticed."""
    ring = Ring.empty(batch, heads, slots, tokens, 64, bits=bits, dtype=dtype, device=device)
    generator = torch.Generator().manual_seed(bits + slots)
    for codes, scales in ((ring.keys, ring.key_scales), (ring.values, ring.value_scales)):
        x = torch.randn(batch, heads, slots, tokens, 64, generator=generator)
        new_codes, new_scales = quantise(x.to(device), bits)
        codes.copy_(new_codes)
        scales.copy_(new_scales)
    return ring


def asked(batch: int, heads: int, tokens: int, dtype: torch.dtype, device: str = "cpu") -> Tensor:
    return torch.randn(batch, heads, tokens, 64, generator=torch.Generator().manual_seed(9)).to(device, dtype) * 1.5


def exact(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """`[H, L, d]` over `[H, K, d]` in float64 → `[L, H·d]`."""
    weights = (query.double() @ keys.mT * query.shape[-1] ** -0.5).softmax(-1)
    return (weights @ values).transpose(0, 1).flatten(1)


@pytest.mark.parametrize("kernels", ["reference", pytest.param("triton", marks=pytest.mark.triton)])
@pytest.mark.parametrize("bits", [16, 8, 4])
@settings(max_examples=4, deadline=None)
@given(**SIZES)
def test_ring_attention(
    kernels: str, bits: int, batch: int, heads: int, slots: int, tokens: int, count: int, dtype: torch.dtype
) -> None:
    ring, own = filled(batch, heads, slots, tokens, bits, dtype), filled(batch, heads, 1, tokens, 16, dtype)
    query, counts = asked(batch, heads, tokens, dtype), torch.tensor([count, slots])[:batch]
    with using(kernels):
        made = ring_attention(query, ring, counts, own)
    assert made.dtype == dtype and made.shape == (batch, tokens, heads * 64)
    keys, values = ring.read(torch.float64)
    own_keys, own_values = own.read(torch.float64)
    for row in range(batch):
        seen = min(int(counts[row]), slots)
        past = [torch.cat([p[row, :, :seen].flatten(1, 2), o[row, :, 0]], 1)
                for p, o in ((keys, own_keys), (values, own_values))]  # fmt: skip
        expected = exact(query[row], *past)
        torch.testing.assert_close(made[row].double(), expected, atol=BOUND[dtype], rtol=BOUND[dtype])


@pytest.mark.parametrize("kernels", ["reference", pytest.param("triton", marks=pytest.mark.triton)])
@pytest.mark.parametrize("bits", [16, 8, 4])
@settings(max_examples=4, deadline=None)
@given(**SIZES)
def test_place_attention(
    kernels: str, bits: int, batch: int, heads: int, slots: int, tokens: int, count: int, dtype: torch.dtype
) -> None:
    ring = filled(batch, heads, slots, tokens, bits, dtype)
    query, counts = asked(batch, heads, tokens, dtype), torch.tensor([count, slots])[:batch]
    with using(kernels):
        made = place_attention(query, ring, counts)
    keys, values = ring.read(torch.float64)
    for row in range(batch):
        seen = min(int(counts[row]), slots)
        scores = (query[row].double()[:, None] * keys[row, :, :seen]).sum(-1) / 8
        expected = (scores.softmax(1)[..., None] * values[row, :, :seen]).sum(1).transpose(0, 1).flatten(1)
        torch.testing.assert_close(made[row].double(), expected, atol=BOUND[dtype], rtol=BOUND[dtype])
        assert seen or not made[row].any()  # an empty ring says nothing


@pytest.mark.parametrize(("bits", "bound"), [(8, 0.01), (4, 0.2)])
def test_fewer_bits_stay_near(bits: int, bound: float) -> None:
    """Error of the result relative to its size, for keys and values of a normal distribution: the worst case, for no
    channel is smaller than another."""
    full, own = filled(1, 2, 4, 50, 16, torch.float32), filled(1, 2, 1, 50, 16, torch.float32)
    (keys, key_scales), (values, value_scales) = (quantise(x, bits) for x in (full.keys, full.values))
    few = Ring(keys, values, key_scales, value_scales)
    query, count = asked(1, 2, 50, torch.float32), torch.tensor([4])
    reference = ring_attention(query, full, count, own)
    error = (ring_attention(query, few, count, own) - reference).norm() / reference.norm()
    assert bound / 10 < error < bound


def test_what_is_refused() -> None:
    ring, own = Ring.empty(1, 2, 3, 4, 64), Ring.empty(1, 2, 1, 4, 64)
    query, count = torch.zeros(1, 2, 4, 64, dtype=torch.bfloat16), torch.ones(1, dtype=torch.int64)
    with pytest.raises(BadInputError, match=r"must be \[1, 2, L, 64\] and \[1\]; got \[1, 3, 4, 64\], \[1\]"):
        ring_attention(query.expand(1, 2, 4, 64)[:, [0, 0, 1]], ring, count, own)
    with pytest.raises(BadInputError, match="one slot of floats"):
        ring_attention(query, ring, count, ring)
    with pytest.raises(BadInputError, match="each of 4 places; got 2"):
        place_attention(query[:, :, :2], ring, count)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("count", [0, 3, 100])
@pytest.mark.parametrize("bits", [16, 8, 4])
def test_at_the_papers_size(bits: int, count: int) -> None:
    sizes = {"dtype": torch.bfloat16, "device": "cuda"}
    ring, own = filled(1, 30, 8, 1350, bits, **sizes), filled(1, 30, 1, 1350, 16, **sizes)  # type: ignore[arg-type]
    query, counts = asked(1, 30, 1350, **sizes), torch.tensor([count], device="cuda")  # type: ignore[arg-type]
    made = ring_attention(query, ring, counts, own), place_attention(query, ring, counts)
    with using("reference"):
        expected = ring_attention(query, ring, counts, own), place_attention(query, ring, counts)
    for one, other in zip(made, expected, strict=True):
        torch.testing.assert_close(one, other, atol=BOUND[torch.bfloat16], rtol=BOUND[torch.bfloat16])
