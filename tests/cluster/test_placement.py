from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from dreamcade.cluster.placement import BUSIEST, Load, place

loads = st.lists(
    st.builds(
        Load,
        st.sampled_from("abcdefgh"),
        st.integers(0, 12),
        st.integers(0, 12),
        st.floats(0, 1.5),
        st.booleans(),
        st.booleans(),
    ),
    unique_by=lambda load: load.replica,
    max_size=8,
)


def grow(replicas: list[Load], players: int, pack: bool = True) -> list[int]:
    """Sessions of each replica after `players` came one after the other."""
    for _ in range(players):
        name = place(replicas, pack)
        replicas = [dataclasses.replace(r, sessions=r.sessions + 1) if r.replica == name else r for r in replicas]
    return [replica.sessions for replica in replicas]


@given(loads, st.booleans())
def test_a_session_waits_only_where_there_is_no_room(replicas: list[Load], pack: bool) -> None:
    name = place(replicas, pack)
    able = {r.replica for r in replicas if r.ready and not r.draining and r.sessions < r.capacity and r.busy < BUSIEST}
    assert name in able if able else name is None


@given(loads, st.booleans(), st.randoms())
def test_the_order_in_which_replicas_are_told_does_not_matter(replicas: list[Load], pack: bool, random: object) -> None:
    other = list(replicas)
    random.shuffle(other)  # type: ignore[attr-defined]
    assert place(other, pack) == place(replicas, pack)


@given(loads)
def test_nobody_is_made_uncomfortable_while_somebody_need_not_be(replicas: list[Load]) -> None:
    name = place(replicas)
    if name is not None and any(r.comfortable and r.ready for r in replicas):
        assert next(r for r in replicas if r.replica == name).comfortable


def test_filled_in_comfort_first_then_spread() -> None:
    three = [Load(name, 0, 10, 0.0) for name in "abc"]
    assert grow(three, 6) == [6, 0, 0]
    assert grow(three, 13) == [6, 6, 1]
    assert grow(three, 18) == [6, 6, 6]
    assert grow(three, 20) == [7, 7, 6]
    assert grow(three, 99) == [10, 10, 10]


def test_a_fixed_number_of_replicas_shares_evenly() -> None:
    assert grow([Load(name, 0, 10, 0.0) for name in "abc"], 7, pack=False) == [3, 2, 2]


def test_replicas_of_one_place() -> None:
    assert grow([Load(name, 0, 1, 0.0) for name in "abc"], 2) == [1, 1, 0]


def test_busy_starting_and_draining_ones_take_nobody() -> None:
    full = [Load("a", 1, 8, 0.95), Load("b", 0, 8, 0.0, ready=False), Load("c", 0, 8, 0.0, draining=True)]
    assert place(full) is None
    assert place([*full, Load("d", 7, 8, 0.5)]) == "d"
