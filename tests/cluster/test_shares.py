"""Shares: everything once, as even as can be."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamcade.cluster.shares import largest_share, share_of, shares
from dreamcade.core.errors import BadInputError


@settings(deadline=None)
@given(st.integers(1, 200).flatmap(lambda total: st.tuples(st.just(total), st.integers(1, total))))
def test_everything_once_and_evenly(sizes: tuple[int, int]) -> None:
    total, parts = sizes
    assert sum(shares(total, parts)) == total
    assert max(shares(total, parts)) - min(shares(total, parts)) <= 1
    taken = [i for part in range(parts) for i in range(total)[share_of(total, parts, part)]]
    assert taken == list(range(total))


def test_the_largest_share() -> None:
    for parts in range(1, 31):
        assert largest_share(30, parts) == max(shares(30, parts)) / 30
    assert largest_share(30, 31) == 1 / 30


def test_the_first_rank_has_the_smaller_share() -> None:
    assert shares(30, 4) == (7, 7, 8, 8)
    assert shares(1350, 4) == (337, 337, 338, 338)


@pytest.mark.parametrize("parts", [0, 7, -1])
def test_what_is_refused(parts: int) -> None:
    with pytest.raises(BadInputError, match="6 can be shared by 1 to 6 devices"):
        shares(6, parts)
