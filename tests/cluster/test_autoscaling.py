from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamcade.cluster.autoscaling import Autoscaler, Steps, steps
from dreamcade.cluster.placement import Load, place
from dreamcade.core.errors import BadInputError


class Fleet:
    """Replicas that start at once and take players as placement says."""

    def __init__(self, scaler: Autoscaler, capacity: int, count: int = 1) -> None:
        self.scaler, self.capacity, self.made, self.now = scaler, capacity, 0, 0.0
        self.loads: list[Load] = []
        self.changes: list[int] = []
        self._start(count)

    def _start(self, count: int) -> None:
        for _ in range(count):
            self.loads.append(Load(f"r{self.made:04}", 0, self.capacity, 0.0))
            self.made += 1

    def run(self, players: int, seconds: float) -> None:
        """Keeps `players` for `seconds`, with a decision every second."""
        for _ in range(round(seconds)):
            self.now += 1
            waiting = self._settle(players)
            todo = steps(self.loads, self.scaler.decide(self.now, self.loads, waiting))
            before = len(self.kept)
            self.loads = [load for load in self.loads if load.replica not in todo.end]
            self.loads = [
                dataclasses.replace(
                    load, draining=load.replica in todo.drain or (load.draining and load.replica not in todo.revive)
                )
                for load in self.loads
            ]
            self._start(todo.start)
            if len(self.kept) != before:
                self.changes.append(len(self.kept))

    @property
    def kept(self) -> list[Load]:
        return [load for load in self.loads if not load.draining]

    def _settle(self, players: int) -> int:
        """Draining ones are emptied (their sessions move); the rest of the players come or go."""
        self.loads = [dataclasses.replace(load, sessions=0 if load.draining else load.sessions) for load in self.loads]
        while sum(load.sessions for load in self.loads) > players:
            self._change(min((r for r in self.loads if r.sessions), key=lambda r: r.sessions).replica, -1)
        while (missing := players - sum(load.sessions for load in self.loads)) and (name := place(self.loads)):
            self._change(name, +1)
        return missing

    def _change(self, name: str, by: int) -> None:
        self.loads = [dataclasses.replace(r, sessions=r.sessions + by) if r.replica == name else r for r in self.loads]


def test_nobody_plays_and_the_least_stays() -> None:
    fleet = Fleet(Autoscaler(2, 5), capacity=4, count=2)
    fleet.run(0, 200)
    assert fleet.changes == []


def test_a_crowd_gets_its_replicas_at_once() -> None:
    fleet = Fleet(Autoscaler(1, 20), capacity=4)
    fleet.run(30, 1)
    assert len(fleet.kept) == 9  # 30 and 6 places for newcomers
    fleet.run(30, 1)
    assert sum(load.sessions for load in fleet.loads) == 30


def test_there_is_always_a_place_for_the_next_one() -> None:
    fleet = Fleet(Autoscaler(1, 50), capacity=3)
    for players in range(1, 60):
        fleet.run(players, 1)
        assert place(fleet.loads) is not None


def test_fewer_only_after_a_calm_time() -> None:
    fleet = Fleet(Autoscaler(1, 20, calm=60), capacity=4)
    fleet.run(30, 5)
    fleet.run(3, 55)
    assert len(fleet.kept) == 9
    fleet.run(3, 20)
    assert len(fleet.kept) == 2
    assert not any(load.draining for load in fleet.loads)


def test_a_visitor_in_the_calm_time_counts() -> None:
    fleet = Fleet(Autoscaler(1, 20, calm=60), capacity=4)
    fleet.run(30, 5)
    fleet.run(3, 40)
    fleet.run(14, 2)
    fleet.run(3, 40)
    assert len(fleet.kept) == 6  # 14 and 3 places, within four fifths of 24
    fleet.run(3, 40)
    assert len(fleet.kept) == 2


@given(st.integers(1, 12), st.integers(0, 80), st.integers(1, 30))
def test_the_same_players_the_same_replicas(capacity: int, players: int, count: int) -> None:
    fleet = Fleet(Autoscaler(1, 200, calm=20), capacity, count)
    fleet.run(players, 60)
    assert len(fleet.changes) <= 1
    fleet.changes.clear()
    fleet.run(players, 100)
    assert fleet.changes == []


@given(st.integers(2, 12), st.integers(10, 80), st.lists(st.integers(-1, 1), min_size=30, max_size=30))
def test_a_few_who_come_and_go_change_nothing_for_long(capacity: int, players: int, comings: list[int]) -> None:
    """Within a twentieth up and down it settles: more and more replicas at first, but never to and fro."""
    fleet = Fleet(Autoscaler(1, 200, calm=20), capacity)
    for coming in comings:
        fleet.run(players + coming * (players // 20), 10)
    ups_and_downs = [b > a for a, b in zip([1, *fleet.changes], fleet.changes, strict=False)]
    assert all(ups_and_downs)


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.floats(0, 1.5), st.booleans(), st.booleans()), max_size=9
    ),
    st.integers(0, 50),
    st.integers(1, 4),
    st.integers(0, 6),
)
def test_always_within_bounds_and_never_fewer_than_are_needed(
    replicas: list[tuple[int, int, float, bool, bool]], waiting: int, least: int, more: int
) -> None:
    loads = [Load(f"r{i}", *replica) for i, replica in enumerate(replicas)]
    scaler = Autoscaler(least, least + more, calm=0)
    for now in range(3):
        wanted = scaler.decide(float(now), loads, waiting)
        assert least <= wanted <= least + more
        capacity = max([1, *(load.capacity for load in loads)])
        players = sum(load.sessions for load in loads) + waiting
        assert wanted >= min(scaler.most, math.ceil(players / capacity))


def test_one_that_is_too_busy_counts_for_what_it_plays() -> None:
    assert Autoscaler(1, 9).decide(0.0, [Load("a", 3, 8, 0.97)], 0) == 2
    assert Autoscaler(1, 9).decide(0.0, [Load("a", 3, 8, 0.5)], 0) == 1


def test_starting_ones_are_not_started_twice() -> None:
    scaler = Autoscaler(1, 9, expected=4)
    starting = [Load("a", 4, 4, 0.5), Load("b", 0, 4, 0.0, ready=False)]
    assert scaler.decide(0.0, starting, 2) == 2
    assert steps(starting, 2) == Steps()


def test_given_up_are_the_starting_then_the_emptiest() -> None:
    loads = [Load("a", 3, 4, 0.5), Load("b", 1, 4, 0.5), Load("c", 0, 4, 0.0, ready=False)]
    assert steps(loads, 2).drain == ("c",)
    assert steps(loads, 1).drain == ("c", "b")


def test_what_drains_ends_when_it_is_empty_and_is_revived_before_others_start() -> None:
    loads = [Load("a", 3, 4, 0.5), Load("b", 0, 4, 0, draining=True), Load("c", 2, 4, 0, draining=True)]
    assert steps(loads, 1) == Steps(end=("b",))
    assert steps(loads, 2) == Steps(revive=("c",), end=("b",))
    assert steps(loads, 4) == Steps(start=1, revive=("c", "b"))


@pytest.mark.parametrize("bounds", [(0, 1), (3, 2)])
def test_bounds_that_cannot_be(bounds: tuple[int, int]) -> None:
    with pytest.raises(BadInputError, match="at least 1"):
        Autoscaler(*bounds)
