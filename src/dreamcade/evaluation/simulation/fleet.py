"""All replicas and all who play, or want to: placed, moved on when a replica is lost, more or fewer as needed.

Where a session goes and how many replicas there should be is decided by `cluster.placement` and `cluster.autoscaling`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from random import Random
from typing import Generic, Protocol, TypeVar

from dreamcade.cluster.autoscaling import Autoscaler, steps
from dreamcade.cluster.placement import Load, place
from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.simulation.agenda import Agenda

SeatT = TypeVar("SeatT", bound=Hashable)
"""A player, as whoever makes replicas knows one."""


class Host(Protocol[SeatT]):
    """A replica, as far as the fleet knows one."""

    name: str

    @property
    def sessions(self) -> int: ...
    @property
    def busy(self) -> float:
        """The share of the time that its slowest stage works for ticks, of late."""
        ...

    def admit(self, play: SeatT) -> None: ...
    def dismiss(self, play: SeatT) -> None: ...
    def stop(self) -> list[SeatT]: ...


@dataclass(frozen=True, slots=True)
class Terms:
    """`capacity`: sessions that a replica can keep at the tick rate. A replica takes `start_up` seconds to start, is
    lost `losses_a_day` times a day on average, which is noticed after `notice` seconds; a newcomer who finds no room
    waits `patience` seconds and is then refused. Replicas are reviewed every `review` seconds.

    Defaults: a lost worker is noticed within a second; starting a process, loading a world and warming up takes some
    20 s where a machine is there already (assumed). What fails how often is for the operator to say.
    """

    capacity: int
    least: int = 1
    most: int = 1
    start_up: float = 20.0
    losses_a_day: float = 0.0
    notice: float = 1.0
    patience: float = 30.0
    review: float = 2.0
    calm: float = 60.0

    def __post_init__(self) -> None:
        if self.capacity < 1 or not 1 <= self.least <= self.most:
            raise BadInputError(f"a fleet needs a capacity from 1, and least to most replicas from 1; got {self}")
        if min(self.start_up, self.losses_a_day, self.notice, self.patience, self.calm) < 0 or self.review <= 0:
            raise BadInputError(f"no time of a fleet is negative, and reviews take turns; got {self}")


@dataclass(slots=True)
class Tallies:
    """What has happened; `waited` in seconds, of those who got a place after waiting; `history` of (time, replicas,
    playing, waiting)."""

    placed: int = 0
    refused: int = 0
    moved: int = 0
    losses: int = 0
    started: int = 0
    waited: list[float] = field(default_factory=list)
    history: list[tuple[float, int, int, int]] = field(default_factory=list)


class Fleet(Generic[SeatT]):
    """`make(name)` starts a replica; `autoscale`, their number follows the load, else it stays `terms.least`.
    `first`: how many there are at the beginning, if not the least."""

    def __init__(
        self, agenda: Agenda, terms: Terms, make: Callable[[str], Host[SeatT]], random: Random, autoscale: bool = False,
        first: int | None = None,
    ) -> None:  # fmt: skip
        self.terms, self.tallies = terms, Tallies()
        self._agenda, self._make, self._random = agenda, make, random
        self._autoscaler = Autoscaler(terms.least, terms.most, terms.calm, terms.capacity) if autoscale else None
        self._hosts: dict[str, Host[SeatT]] = {}
        self._starting: set[str] = set()
        self._draining: set[str] = set()
        self._where: dict[SeatT, Host[SeatT]] = {}
        self._waiting: deque[tuple[SeatT, float]] = deque()
        self._orphans: set[SeatT] = set()
        self._names = 0
        for _ in range(first or terms.least):
            self._ready(self._new_name())

    def begin(self) -> None:
        """From now on replicas are reviewed, and lost."""
        self._review()

    @property
    def hosts(self) -> list[Host[SeatT]]:
        return list(self._hosts.values())

    @property
    def replicas(self) -> int:
        """Those that hold devices: ready, draining, and starting."""
        return len(self._hosts) + len(self._starting)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def host_of(self, play: SeatT) -> Host[SeatT] | None:
        return self._where.get(play)

    def arrive(self, play: SeatT) -> bool:
        """A newcomer; whether there is a place at once."""
        if self._place(play):
            self.tallies.placed += 1
            return True
        self._waiting.append((play, self._agenda.now))
        self._agenda.at(self._agenda.now + self.terms.patience, lambda: self._give_up(play))
        return False

    def seat(self, play: SeatT, host: Host[SeatT]) -> None:
        """Puts a newcomer where somebody has decided."""
        self._where[play] = host
        host.admit(play)
        self.tallies.placed += 1

    def leave(self, play: SeatT) -> None:
        """Played enough, or waited enough."""
        self._waiting = deque((p, since) for p, since in self._waiting if p is not play)
        self._orphans.discard(play)
        host = self._where.pop(play, None)
        if host is not None:
            host.dismiss(play)
            self._seat_waiting()

    def loads(self) -> list[Load]:
        capacity = self.terms.capacity
        there = [
            Load(name, host.sessions, capacity, host.busy, draining=name in self._draining)
            for name, host in self._hosts.items()
        ]
        return [*there, *(Load(name, 0, capacity, 0.0, ready=False) for name in sorted(self._starting))]

    def lose(self, name: str) -> None:
        """A replica is gone with all that it was doing; that is noticed a little later."""
        host = self._hosts.pop(name, None)
        if host is None:
            return
        self._draining.discard(name)
        self.tallies.losses += 1
        orphans = host.stop()
        for play in orphans:
            self._where.pop(play, None)
        self._orphans.update(orphans)
        self._agenda.at(self._agenda.now + self.terms.notice, lambda: self._move(orphans))

    def _move(self, orphans: list[SeatT]) -> None:
        """To other replicas, ahead of all newcomers; and the lost one is replaced."""
        for play in orphans:
            if play not in self._orphans:
                continue  # has left meanwhile
            self._orphans.discard(play)
            self.tallies.moved += 1
            if not self._place(play):
                self._waiting.appendleft((play, self._agenda.now))
        if self.replicas < self.terms.least:
            self._start()

    def _place(self, play: SeatT) -> bool:
        name = place(self.loads(), pack=self._autoscaler is not None)
        if name is None:
            return False
        self._where[play] = self._hosts[name]
        self._hosts[name].admit(play)
        return True

    def _give_up(self, play: SeatT) -> None:
        if any(p is play for p, _ in self._waiting):
            self.tallies.refused += 1
            self.leave(play)

    def _seat_waiting(self) -> None:
        while self._waiting and self._place(self._waiting[0][0]):
            _, since = self._waiting.popleft()
            self.tallies.placed += 1
            self.tallies.waited.append(self._agenda.now - since)

    def _review(self) -> None:
        now, terms = self._agenda.now, self.terms
        if self._autoscaler is not None:
            self._follow(self._autoscaler)
        if terms.losses_a_day:
            chance = terms.losses_a_day * terms.review / 86_400.0
            for name in [name for name in self._hosts if self._random.random() < chance]:
                self.lose(name)
        self._seat_waiting()
        playing = sum(host.sessions for host in self._hosts.values())
        self.tallies.history.append((now, self.replicas, playing, len(self._waiting)))
        self._agenda.at(now + terms.review, self._review)

    def _follow(self, autoscaler: Autoscaler) -> None:
        loads = self.loads()
        todo = steps(loads, autoscaler.decide(self._agenda.now, loads, len(self._waiting)))
        for _ in range(todo.start):
            self._start()
        for name in todo.revive:
            self._draining.discard(name)
        for name in todo.drain:
            self._starting.discard(name)  # one that has nobody yet just ends
            if name in self._hosts:
                self._draining.add(name)
        for name in todo.end:
            self._draining.discard(name)
            host = self._hosts.pop(name, None)
            if host is not None:
                host.stop()

    def _new_name(self) -> str:
        self._names += 1
        return f"replica-{self._names:04d}"

    def _start(self) -> None:
        name = self._new_name()
        self._starting.add(name)
        self._agenda.at(self._agenda.now + self.terms.start_up, lambda: self._ready(name, started=True))

    def _ready(self, name: str, started: bool = False) -> None:
        if started:
            if name not in self._starting:
                return
            self._starting.discard(name)
            self.tallies.started += 1
        self._hosts[name] = self._make(name)
        self._seat_waiting()
