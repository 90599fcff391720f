"""Rotary positions: relative, and precise for ever."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamcade.core.errors import BadInputError
from dreamcade.kernels.rotary import PERIOD, rotary_table, rotary_turns, rotate


def turned(x: torch.Tensor, number: int) -> torch.Tensor:
    """Vectors `[L, d]` of a 3 × 5 frame, in float64 after the table."""
    cos, sin = rotary_table(torch.tensor([number]), *rotary_turns(x.shape[-1], 3, 5))
    return rotate(x.double(), cos[0].double(), sin[0].double())


@settings(max_examples=20, deadline=None)
@given(far=st.integers(0, 2**52), apart=st.integers(0, 20))
def test_only_differences_count_however_long_the_play(far: int, apart: int) -> None:
    query, key = torch.randn(2, 15, 64, generator=torch.Generator().manual_seed(far % 1000))
    scores = turned(query, far + apart) @ turned(key, far).T
    torch.testing.assert_close(scores, turned(query, apart) @ turned(key, 0).T, atol=2e-5, rtol=0)


def test_ten_million_frames_in_and_across_the_wrap() -> None:
    x = torch.randn(15, 64, generator=torch.Generator().manual_seed(0))
    for number in (10_000_000, PERIOD - 1, PERIOD):
        scores = turned(x, number + 3) @ turned(x, number).T
        torch.testing.assert_close(scores, turned(x, 3) @ turned(x, 0).T, atol=2e-5, rtol=0)
    # The plain way, for comparison, is lost by then.
    angle = torch.tensor([1e7, 1e7 + 3]) * 0.7
    assert abs(float(angle[1] - angle[0]) - 2.1) > 0.1


def test_places_and_frames_are_told_apart() -> None:
    x = torch.ones(15, 64)
    first = turned(x, 0)
    assert torch.pdist(first).min() > 0.1  # of every two places
    assert (turned(x, 1) - first).norm(dim=1).min() > 0.1
    torch.testing.assert_close(first.norm(dim=1), x.double().norm(dim=1))


def test_too_few_channels_are_refused() -> None:
    with pytest.raises(BadInputError, match="multiple of 8; got 12"):
        rotary_turns(12, 2, 2)
