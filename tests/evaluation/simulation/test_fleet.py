from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.simulation.agenda import Agenda
from dreamcade.evaluation.simulation.fleet import Fleet, Terms


class Room:
    """A replica that only counts."""

    def __init__(self, name: str) -> None:
        self.name, self.busy = name, 0.0
        self.inside: list[int] = []

    @property
    def sessions(self) -> int:
        return len(self.inside)

    def admit(self, play: int) -> None:
        self.inside.append(play)

    def dismiss(self, play: int) -> None:
        self.inside.remove(play)

    def stop(self) -> list[int]:
        inside, self.inside = self.inside, []
        return inside


def fleet(autoscale: bool = False, **terms: float) -> tuple[Agenda, Fleet[int]]:
    agenda = Agenda()
    made = Fleet[int](agenda, Terms(**terms), Room, Random(0), autoscale)  # type: ignore[arg-type]
    made.begin()
    return agenda, made


def test_who_finds_no_room_waits_and_is_refused_in_the_end() -> None:
    agenda, two = fleet(capacity=2, patience=30.0)
    assert [two.arrive(player) for player in range(4)] == [True, True, False, False]
    agenda.at(10.0, lambda: two.leave(0))
    agenda.run(29.0)
    assert (two.tallies.placed, two.waiting) == (3, 1)
    assert two.tallies.waited == [10.0]
    agenda.run(31.0)
    assert (two.tallies.refused, two.waiting) == (1, 0)


def test_a_lost_replicas_players_go_elsewhere_once_it_is_noticed_and_it_is_replaced() -> None:
    agenda, three = fleet(capacity=6, least=3, most=3, notice=1.0, start_up=20.0)
    for player in range(9):
        three.arrive(player)
    lost = three.hosts[0]
    agenda.at(5.0, lambda: three.lose(lost.name))
    agenda.run(5.9)
    assert sum(host.sessions for host in three.hosts) == 6
    agenda.run(6.1)
    assert sorted(host.sessions for host in three.hosts) == [4, 5]
    agenda.run(27.0)
    assert len(three.hosts) == 3
    assert (three.tallies.losses, three.tallies.moved, three.tallies.started) == (1, 3, 1)


def test_the_number_of_replicas_follows_the_players() -> None:
    agenda, scaled = fleet(autoscale=True, capacity=4, least=1, most=9, start_up=5.0, calm=30.0, patience=60.0)
    for player in range(20):
        agenda.at(1.0 + player, lambda player=player: scaled.arrive(player))  # type: ignore[misc]
    agenda.run(40.0)
    assert sum(host.sessions for host in scaled.hosts) == 20
    assert scaled.replicas >= 5
    for player in range(19):
        agenda.at(50.0, lambda player=player: scaled.leave(player))  # type: ignore[misc]
    agenda.run(200.0)
    assert scaled.replicas == 1
    assert (scaled.hosts[0].sessions, scaled.tallies.refused) == (1, 0)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 60), st.floats(0, 40), st.booleans()), max_size=30), st.integers(1, 4),
    st.booleans(),
)  # fmt: skip
def test_nobody_is_lost_and_nobody_is_in_two_places(
    visits: list[tuple[float, float, bool]], replicas: int, autoscale: bool
) -> None:
    agenda, some = fleet(autoscale, capacity=3, least=replicas, most=2 * replicas, start_up=4.0, patience=10.0)
    gone = set[int]()

    def leave(player: int) -> None:
        gone.add(player)
        some.leave(player)

    for player, (comes, stays, loss) in enumerate(visits):
        agenda.at(comes, lambda player=player: some.arrive(player))  # type: ignore[misc]
        agenda.at(comes + stays, lambda player=player: leave(player))  # type: ignore[misc]
        if loss:
            agenda.at(comes, lambda: some.lose(some.hosts[0].name) if some.hosts else None)
    for moment in range(0, 120, 7):
        agenda.run(float(moment))
        inside = [player for host in some.hosts for player in host.inside]  # type: ignore[attr-defined]
        assert len(inside) == len(set(inside))
        assert not gone & set(inside)
        assert all(host.sessions <= 3 for host in some.hosts)
    assert some.waiting == 0
    assert sum(host.sessions for host in some.hosts) == 0


def test_terms_that_cannot_be_are_refused() -> None:
    for terms in ({"capacity": 0}, {"capacity": 1, "least": 3, "most": 2}, {"capacity": 1, "notice": -1.0}):
        with pytest.raises(BadInputError, match="fleet"):
            Terms(**terms)  # type: ignore[arg-type]
