"""AdaLN: the fused kernels against float64, and against their own parts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.kernels.adaln import gate_residual, gate_residual_rms_modulate, modulations, rms_modulate
from dreamcade.kernels.choice import using

ROUNDING = {torch.float32: 1e-5, torch.float16: 2**-10, torch.bfloat16: 2**-7}
"""Of one stored value, relative to it. Triton's interpreter cuts bfloat16 off where a GPU rounds, and cannot multiply
matrices of it: there, float16 stands for both."""
HALVES = st.sampled_from([torch.float32, torch.float16])
ANY = st.sampled_from(list(ROUNDING))
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def make(seed: int, *shape: int, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Tensor:
    generator = torch.Generator(device).manual_seed(seed)
    return torch.randn(*shape, generator=generator, device=device).to(dtype)


def exact(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    x, scale, shift = x.double(), scale.double()[:, None], shift.double()[:, None]
    return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * (1 + scale) + shift


@pytest.mark.parametrize("kernels", ["reference", pytest.param("triton", marks=pytest.mark.triton)])
@settings(max_examples=6, deadline=None)
@given(rows=st.integers(1, 19), width=st.integers(1, 70), outputs=st.integers(1, 90), dtype=HALVES)
def test_modulations_are_one_product(kernels: str, rows: int, width: int, outputs: int, dtype: torch.dtype) -> None:
    condition, weight = make(0, rows, width, dtype=dtype), make(1, outputs, width, dtype=dtype)
    bias = make(2, outputs, dtype=dtype)
    with using(kernels):
        made = modulations(condition, weight, bias)
    expected = torch.nn.functional.silu(condition.double()) @ weight.double().T + bias.double()
    assert made.dtype == dtype
    # The condition is rounded once after its SiLU, and the sum once: errors of a random walk over the width.
    torch.testing.assert_close(made.double(), expected, atol=ROUNDING[dtype] * width**0.5 * 2, rtol=ROUNDING[dtype])


@pytest.mark.parametrize("kernels", ["reference", pytest.param("triton", marks=pytest.mark.triton)])
@settings(max_examples=6, deadline=None)
@given(
    batch=st.integers(1, 3), length=st.integers(1, 7), width=st.integers(1, 70), dtype=st.sampled_from(list(ROUNDING))
)
def test_norm_and_gate(kernels: str, batch: int, length: int, width: int, dtype: torch.dtype) -> None:
    x, y = (make(seed, batch, length, width, dtype=dtype) for seed in (0, 1))
    # Slices of one row of modulations, as a block takes them.
    gate, scale, shift = make(2, batch, 5, width, dtype=dtype)[:, 1:4].unbind(1)
    bound = ROUNDING[dtype]
    with using(kernels):
        torch.testing.assert_close(
            rms_modulate(x, scale, shift).double(), exact(x, scale, shift), atol=4 * bound, rtol=bound
        )
        total = gate_residual(x, gate, y)
        torch.testing.assert_close(
            total.double(), x.double() + gate.double()[:, None] * y.double(), atol=bound, rtol=bound
        )
        pair = gate_residual_rms_modulate(x, gate, y, scale, shift)
        assert total.dtype == pair[1].dtype == dtype
        assert torch.equal(pair[0], total) and torch.equal(pair[1], rms_modulate(total, scale, shift))


@pytest.mark.parametrize("kernels", ["reference", pytest.param("triton", marks=pytest.mark.triton)])
def test_a_row_of_zeros_stays_finite(kernels: str) -> None:
    x, row = torch.zeros(1, 2, 24), torch.ones(1, 24)
    with using(kernels):
        assert torch.equal(rms_modulate(x, row, row), torch.ones(1, 2, 24))


def test_other_shapes_are_refused() -> None:
    x = torch.zeros(2, 3, 8)
    with pytest.raises(BadInputError, match=r"modulations \[B, D\]; got \[2, 3, 8\] and \[\[1, 8\], \[1, 8\]\]"):
        rms_modulate(x, x[:1, 0], x[:1, 0])
    with pytest.raises(BadInputError, match=r"like x; got torch.float32 \[2, 2, 8\]"):
        gate_residual(x, x[:, 0], x[:, :2])
    with pytest.raises(BadInputError, match=r"must be \[…, C\], \[N, C\], \[N\]"):
        modulations(torch.zeros(2, 5), torch.zeros(7, 4), torch.zeros(7))


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("width", [1919, 1920])
def test_at_the_papers_size(width: int) -> None:
    options = {"dtype": torch.bfloat16, "device": "cuda"}
    x, y = (make(seed, 2, 1350, width, **options) for seed in (0, 1))  # type: ignore[arg-type]
    gate, scale, shift = make(2, 2, 3, width, **options).unbind(1)  # type: ignore[arg-type]
    total, normed = gate_residual_rms_modulate(x, gate, y, scale, shift)
    with using("reference"):
        expected = gate_residual_rms_modulate(x, gate, y, scale, shift)
    torch.testing.assert_close(total, expected[0], atol=2**-7, rtol=2**-7)
    torch.testing.assert_close(normed, expected[1], atol=2**-5, rtol=2**-6)

    condition, weight = make(3, 4, 256, **options), make(4, 180 * width, 256, **options)  # type: ignore[arg-type]
    made = modulations(condition, weight, weight[:, 0].contiguous())
    with using("reference"):
        torch.testing.assert_close(
            made, modulations(condition, weight, weight[:, 0].contiguous()), atol=0.2, rtol=2**-6
        )
