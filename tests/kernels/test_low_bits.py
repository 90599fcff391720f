"""Linear layers in a few bits: kernels against references, references against float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.kernels.choice import using
from dreamcade.kernels.low_bits import linear, linear_fp8, linear_int4, linear_int8, rows_to_fp8, rows_to_int8
from dreamcade.kernels.packed_weights import PackedWeight, pack_fp8, pack_int4, pack_int8, unpack

SHAPES = st.tuples(st.sampled_from((1, 3, 5, 17, 54)), st.sampled_from((3, 67, 130)), st.sampled_from((2, 19, 33)))
DTYPES = st.sampled_from((torch.float32, torch.bfloat16))
ROUNDING = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-7}
"""Of an output. Triton's interpreter cuts bfloat16 off where a GPU rounds it: twice the error."""


def drawn(shape: tuple[int, int, int], dtype: torch.dtype, seed: int, device: str = "cpu") -> tuple[Tensor, ...]:
    """Inputs `[M, K]`, weight `[N, K]`, bias `[N]`."""
    generator = torch.Generator().manual_seed(seed)
    m, k, n = shape
    x, w, b = (torch.randn(s, generator=generator) for s in ((m, k), (n, k), (n,)))
    return x.to(device, dtype), w.to(device), b.to(device)


def exact(x: Tensor, weight: PackedWeight, bias: Tensor | None) -> Tensor:
    """In float64, of inputs as they are and the weight as it is stored."""
    y = x.double() @ unpack(weight, torch.float64).T
    return y if bias is None else y + bias.double()


def int4_limit(x: Tensor, weight: Tensor, bias: Tensor, stored: PackedWeight) -> Tensor:
    """What is promised for sums in float32, apart from the output's rounding."""
    low = stored.low if stored.low is not None else -8 * stored.scale  # type: ignore[union-attr]
    low = low.double().abs().repeat_interleave(stored.group, 1)[:, : x.shape[1]]  # type: ignore[union-attr]
    return 2**-20 * (x.double().abs() @ (unpack(stored).double().abs() + low).T + bias.double().abs())


@pytest.mark.triton
@settings(max_examples=10, deadline=None)
@given(SHAPES, DTYPES, st.sampled_from((32, 64)), st.booleans(), st.integers(0, 99))
def test_four_bits_fused(
    shape: tuple[int, int, int], dtype: torch.dtype, group: int, symmetric: bool, seed: int
) -> None:
    x, w, bias = drawn(shape, dtype, seed)
    weight = pack_int4(w, group, symmetric)
    with using("triton"):
        y = linear_int4(x, weight, bias)
    assert y.dtype == dtype
    truth = exact(x, weight, bias)
    limit = int4_limit(x, w, bias, weight) + ROUNDING[dtype] * truth.abs()
    assert bool(((y.double() - truth).abs() <= limit).all())


@pytest.mark.triton
@settings(max_examples=8, deadline=None)
@given(SHAPES, DTYPES, st.booleans(), st.integers(0, 99))
def test_eight_bits_fused_are_the_reference_s(
    shape: tuple[int, int, int], dtype: torch.dtype, biased: bool, seed: int
) -> None:
    x, w, b = drawn(shape, dtype, seed)
    bias = b if biased else None
    for weight in (pack_int8(w), pack_fp8(w)):
        with using("triton"):
            fused = linear(x, weight, bias)
        plain = linear(x, weight, bias)
        tolerance = 1e-5 if dtype == torch.float32 else ROUNDING[dtype]
        torch.testing.assert_close(fused, plain, rtol=tolerance, atol=tolerance)


@settings(max_examples=10, deadline=None)
@given(SHAPES, st.integers(0, 99))
def test_eight_bits_lose_what_is_promised(shape: tuple[int, int, int], seed: int) -> None:
    x, w, bias = drawn(shape, torch.float32, seed)
    weight = pack_int8(w)
    values, size = rows_to_int8(x)
    assert int(values.abs().max()) <= 127
    truth = F.linear(x.double(), w.double(), bias.double())
    s_w, s_x = weight.scale.double(), size.double()
    limit = (
        x.double().abs().sum(1, keepdim=True) * s_w + s_x * w.double().abs().sum(1) + s_x * s_w * len(w[0]) / 2
    ) / 2
    error = (linear_int8(x, weight, bias).double() - truth).abs()
    assert bool((error <= 1.001 * limit + 1e-5 * (1 + truth.abs())).all())


def test_integer_products_are_exact() -> None:
    x, w = torch.full((3, 4000), 127.0), torch.full((5, 4000), -127.0)
    weight = pack_int8(w)
    assert torch.equal(linear_int8(x, weight), torch.full((3, 5), -127.0 * 127.0 * 4000))


def test_float8_is_near() -> None:
    x, w, bias = drawn((9, 67, 19), torch.float32, 0)
    values, _ = rows_to_fp8(x)
    assert values.dtype == torch.uint8
    truth = F.linear(x.double(), w.double(), bias.double())
    limit = (2**-3 + 2**-7) * (x.double().abs() @ w.double().abs().T)
    assert bool(((linear_fp8(x, pack_fp8(w), bias).double() - truth).abs() <= limit + 1e-5).all())


@pytest.mark.parametrize("pack", [pack_int4, pack_int8, pack_fp8])
def test_inputs_of_any_rank(pack: object) -> None:
    x, w, bias = drawn((12, 40, 7), torch.float32, 0)
    weight = pack(w)  # type: ignore[operator]
    y = linear(x, weight, bias)
    assert torch.equal(linear(x.view(2, 2, 3, 40), weight, bias), y.view(2, 2, 3, 7))
    assert torch.equal(linear(torch.zeros(2, 40), weight), torch.zeros(2, 7))
    with pytest.raises(BadInputError, match=r"inputs must be floating point \[..., 40\]; got torch.float32 \[12, 39\]"):
        linear(x[:, 1:], weight)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("shape", [(1, 128, 9216), (54, 192, 768), (54, 768, 192), (1350, 1920, 7680)])
def test_on_a_gpu(shape: tuple[int, int, int]) -> None:
    x, w, bias = drawn(shape, torch.bfloat16, 0, "cuda")
    for symmetric in (False, True):
        weight = pack_int4(w, symmetric=symmetric)
        truth = exact(x, weight, bias)
        limit = int4_limit(x, w, bias, weight) + 2**-8 * truth.abs()
        assert bool(((linear_int4(x, weight, bias).double() - truth).abs() <= limit).all())
    for eight in (pack_int8(w), pack_fp8(w)):
        fused = linear(x, eight, bias)
        with using("reference"):
            plain = linear(x, eight, bias)
        # Hopper sums float8 with 14 bits inside a block.
        torch.testing.assert_close(fused, plain, rtol=2**-6, atol=2**-6 * float(plain.float().std()))
