"""The ring cache: what is written where, in how many bits, and how near to the truth."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.kernels.choice import using
from dreamcade.kernels.ring_cache import LARGEST, Ring, dequantise, norm_rope_keep, norm_rope_write, quantise
from dreamcade.kernels.rotary import rotary_table, rotary_turns, rotate

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def make(seed: int, *shape: int, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(device, dtype)


def exact(x: Tensor, weight: Tensor, cos: Tensor, sin: Tensor, heads: int) -> Tensor:
    """Norm and rotation of `[B, L, H·d]` in float64, `[B, H, L, d]`."""
    x = x.double().unflatten(-1, (heads, -1)).transpose(1, 2)
    x = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight.double()
    return rotate(x, cos.double()[:, None], sin.double()[:, None])


def step_of(scales: Tensor, head_dim: int) -> Tensor:
    """The size of one code for every channel."""
    return scales.double().repeat_interleave(head_dim // scales.shape[-1], -1)


@pytest.mark.parametrize("kernels", ["reference", pytest.param("triton", marks=pytest.mark.triton)])
@pytest.mark.parametrize("bits", [16, 8, 4])
@settings(max_examples=4, deadline=None)
@given(
    batch=st.integers(1, 2),
    heads=st.integers(1, 3),
    height=st.integers(1, 5),
    width=st.integers(1, 7),
    head_dim=st.sampled_from([16, 64]),
    number=st.integers(0, 10_000_001),
)
def test_norm_rope_write(
    kernels: str, bits: int, batch: int, heads: int, height: int, width: int, head_dim: int, number: int
) -> None:
    slots, tokens = 3, height * width
    ring = Ring.empty(batch, heads, slots, tokens, head_dim, bits=bits, dtype=torch.float32)
    numbers = number + torch.arange(batch)
    table = rotary_table(numbers, *rotary_turns(head_dim, height, width))
    qkv = make(0, batch, tokens, 3 * heads * head_dim)
    query_weight, key_weight = 1 + 0.2 * make(1, 2, head_dim)
    with using(kernels):
        queries = norm_rope_write(qkv, ring, numbers, query_weight, key_weight, *table)
        alone = Ring.empty(batch, heads, slots, tokens, head_dim, bits=bits, dtype=torch.float32)
        norm_rope_keep(qkv[..., heads * head_dim :], alone, numbers, key_weight, *table)
    q, k, v = qkv.chunk(3, -1)
    torch.testing.assert_close(queries.double(), exact(q, query_weight, *table, heads), atol=1e-5, rtol=1e-5)
    keys, values = ring.read(torch.float64)
    for row in range(batch):
        slot = int(numbers[row]) % slots
        for made, scales, expected in (
            (keys, ring.key_scales, exact(k, key_weight, *table, heads)),
            (values, ring.value_scales, v.double().unflatten(-1, (heads, -1)).transpose(1, 2)),
        ):
            error = (made[row, :, slot] - expected[row]).abs()
            half = 0.501 * step_of(scales[row, :, slot], head_dim) if bits < 16 else 0.0
            assert (error <= half + 2e-5).all()
            others = [n for n in range(slots) if n != slot]
            assert not made[row, :, others].any()  # no other slot was touched
    for name, tensor in ring.tensors().items():
        assert torch.equal(tensor, alone.tensors()[name]), name


@pytest.mark.parametrize("bits", [8, 4])
@settings(max_examples=20, deadline=None)
@given(size=st.floats(-4, 4), head_dim=st.sampled_from([8, 64]), seed=st.integers(0, 9))
def test_a_code_is_within_half_a_step(bits: int, size: float, head_dim: int, seed: int) -> None:
    x = make(seed, 3, head_dim) * 10**size
    codes, scales = quantise(x, bits)
    error = (dequantise(codes, scales, torch.float64) - x.double()).abs()
    assert (error <= 0.51 * step_of(scales, head_dim) + 4e-6).all()
    # A step is a group's largest value over the largest code, to float16.
    largest = x.double().unflatten(-1, (scales.shape[-1], -1)).abs().amax(-1)
    torch.testing.assert_close(scales.double() * LARGEST[bits], largest, rtol=1e-3, atol=1e-5)


def test_bytes_of_a_token() -> None:
    """Per head of 64 channels, keys and values, with their scales."""
    sizes = {}
    for bits in (16, 8, 4):
        ring = Ring.empty(1, 1, 1, 1, 64, bits=bits)
        sizes[bits] = sum(t.numel() * t.element_size() for t in ring.tensors().values())
        assert (ring.bits, ring.head_dim) == (bits, 64)
    assert sizes == {16: 256, 8: 132, 4: 72}


def test_zeros_stay_zeros() -> None:
    for bits in (8, 4):
        codes, scales = quantise(torch.zeros(2, 8), bits)
        assert not dequantise(codes, scales, torch.float32).any()
        assert not Ring.empty(1, 1, 2, 1, 8, bits=bits).read(torch.float32)[0].any()


def test_what_is_refused() -> None:
    with pytest.raises(BadInputError, match="16, 8 or 4 bits; got 2"):
        Ring.empty(1, 1, 1, 1, 64, bits=2)
    ring = Ring.empty(1, 2, 3, 4, 8)
    table = torch.zeros(1, 4, 4)
    with pytest.raises(BadInputError, match=r"must be \[1, 4, 48\] and \[1\]; got \[1, 5, 48\]"):
        norm_rope_write(torch.zeros(1, 5, 48), ring, torch.zeros(1), torch.ones(8), torch.ones(8), table, table)
    with pytest.raises(BadInputError, match=r"cos and sin must be \[1, 4, 4\]"):
        norm_rope_keep(torch.zeros(1, 4, 32), ring, torch.zeros(1), torch.ones(8), table[:, :3], table)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("bits", [16, 8, 4])
def test_at_the_papers_size(bits: int) -> None:
    rings = [Ring.empty(2, 30, 8, 1350, 64, bits=bits, device="cuda") for _ in range(2)]
    numbers = torch.tensor([10_000_000, 5], device="cuda")
    places, frames = (t.cuda() for t in rotary_turns(64, 30, 45))
    table = rotary_table(numbers, places, frames)
    qkv, weight = make(0, 2, 1350, 5760, device="cuda", dtype=torch.bfloat16), torch.ones(64, device="cuda")
    made = []
    for kernels, ring in zip(("reference", "triton"), rings, strict=True):
        with using(kernels):
            made.append(norm_rope_write(qkv, ring, numbers, weight, weight, *table))
    torch.testing.assert_close(made[0], made[1], atol=2**-6, rtol=2**-7)
    for one, other in zip(*(ring.read(torch.float32) for ring in rings), strict=True):
        torch.testing.assert_close(one, other, atol={16: 2**-6, 8: 0.07, 4: 1.1}[bits], rtol=2**-7)
        assert (one - other).abs().mean() < 1e-3
