"""Packing: what comes back is as near as is promised, and nothing is lost on the way."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamcade.core.errors import BadInputError
from dreamcade.kernels.packed_weights import Int4Weight, pack_fp8, pack_int4, pack_int8, unpack


def drawn(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    """Weights with a few outliers."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, columns, generator=generator)
    return weight + 4 * (torch.rand(rows, columns, generator=generator) > 0.97) * weight


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 9), st.integers(1, 150), st.sampled_from((32, 64, 128)), st.booleans(), st.integers(0, 99))
def test_four_bits_are_within_half_a_step(rows: int, columns: int, group: int, symmetric: bool, seed: int) -> None:
    weight = drawn(rows, columns, seed)
    packed = pack_int4(weight, group, symmetric, search=False)
    assert packed.group == group and packed.columns == columns and packed.packed.dtype == torch.uint8
    steps = packed.scale.float().repeat_interleave(group, 1)[:, :columns]
    # The scale is rounded to float16: at the far end that adds up to 15 · 2⁻¹² of a step.
    assert bool(((unpack(packed) - weight).abs() <= steps * (0.5 + 2**-6)).all())


def test_the_search_is_never_worse_and_mostly_better() -> None:
    weight = drawn(64, 192)
    error = {s: float((unpack(pack_int4(weight, search=s)) - weight).square().sum()) for s in (False, True)}
    assert error[True] < 0.97 * error[False]
    importance = torch.ones(192)
    importance[:96] = 100
    found = unpack(pack_int4(weight, 128, importance=importance)) - weight
    plain = unpack(pack_int4(weight, 128)) - weight
    assert float((found.square() * importance).sum()) < float((plain.square() * importance).sum())


def test_what_four_bits_can_say_comes_back_exactly() -> None:
    numbers = torch.randint(-8, 8, (5, 64)).float()
    numbers[:, 0] = -8
    assert torch.equal(unpack(pack_int4(numbers / 4, symmetric=True, search=False)), numbers / 4)
    assert torch.equal(unpack(pack_int4(torch.zeros(3, 40))), torch.zeros(3, 40))


def test_eight_bits() -> None:
    weight = drawn(7, 33)
    packed, coarse = pack_int8(weight), pack_fp8(weight)
    assert bool(((unpack(packed) - weight).abs() <= 0.5001 * packed.scale[:, None]).all())
    limit = 2**-4 * weight.abs() + 2**-10 * coarse.scale[:, None]
    assert bool(((unpack(coarse) - weight).abs() <= limit).all())
    assert coarse.values.dtype == torch.uint8


def test_bytes_are_counted() -> None:
    packed = pack_int4(torch.randn(8, 128), 64)
    assert packed.nbytes == 8 * 64 + 8 * 2 * 2 * 2
    assert pack_int4(torch.randn(8, 128), 64, symmetric=True).nbytes == 8 * 64 + 8 * 2 * 2
    assert pack_int8(torch.randn(8, 128)).nbytes == pack_fp8(torch.randn(8, 128)).nbytes == 8 * 128 + 8 * 4


def test_bad_weights_are_refused() -> None:
    with pytest.raises(BadInputError, match="group must be one of 32, 64, 128; got 48"):
        pack_int4(torch.ones(2, 2), 48)
    with pytest.raises(BadInputError, match=r"floating point \[N, K\]; got torch.int64"):
        pack_int8(torch.ones(2, 2, dtype=torch.int64))
    with pytest.raises(BadInputError, match="finite"):
        pack_fp8(torch.full((2, 2), torch.nan))
    with pytest.raises(BadInputError, match=r"importance must be \[3\]"):
        pack_int4(torch.ones(2, 3), importance=torch.ones(2))
    assert isinstance(pack_int4(torch.ones(2, 3)), Int4Weight)
