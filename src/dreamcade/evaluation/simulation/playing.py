"""Many players for a while: their hands press, replicas play, and what came of it is counted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.simulation.agenda import Agenda
from dreamcade.evaluation.simulation.figures import Figures, Work, figures_of
from dreamcade.evaluation.simulation.fleet import Fleet, Tallies, Terms
from dreamcade.evaluation.simulation.hands import KEYS, Foreseen, Habits, Hand
from dreamcade.evaluation.simulation.play import Play
from dreamcade.evaluation.simulation.record import Record
from dreamcade.evaluation.simulation.replica import Replica
from dreamcade.evaluation.simulation.service import Service


@dataclass(frozen=True, slots=True)
class Audience:
    """How they play: their hands, and how well those are foreseen."""

    habits: Habits = field(default_factory=Habits)
    chances: Foreseen = KEYS


@dataclass(frozen=True, slots=True)
class Window:
    """What is simulated: `seconds` of play are measured after a `warm_up`, in which the engine learns how long its
    passes take. Play is steady, so seconds stand for hours."""

    seconds: float = 10.0
    warm_up: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.seconds > 0 and self.warm_up >= 0):
            given = f"{self.seconds:g} and {self.warm_up:g}"
            raise BadInputError(f"a window needs a positive number of seconds, and a warm-up of 0 or more; got {given}")

    @property
    def end(self) -> float:
        return self.warm_up + self.seconds


class Players:
    """Makes plays and lets their hands press. A player's hand and luck depend on `seed` and number alone."""

    def __init__(self, agenda: Agenda, service: Service, audience: Audience, window: Window) -> None:
        self.plays: list[Play] = []
        self._agenda, self._service, self._audience, self._window = agenda, service, audience, window

    def sit_down(self) -> Play:
        """The next player, who begins to press now."""
        random = Random(f"{self._window.seed}/player/{len(self.plays)}")
        hand = Hand(self._audience.habits, Random(random.random()), self._agenda.now)
        record = Record(self._window.warm_up, self._window.end)
        play = Play(len(self.plays), random, hand, self._audience.chances, record)
        self.plays.append(play)
        self._next(play)
        return play

    def _next(self, play: Play) -> None:
        pressed, changed = play.hand.next()
        arrives = pressed
        if self._service.line is not None:
            arrives = play.last_heard = max(play.last_heard, pressed + self._service.line.draw(1, play.random))
        self._agenda.at(arrives, lambda: self._arrive(play, pressed, changed))

    def _arrive(self, play: Play, pressed: float, changed: bool) -> None:
        play.sequence += 1
        if changed:
            play.record.inputs += 1
            play.unanswered.append((play.sequence, pressed))
        play.hear(changed)
        if isinstance(play.home, Replica):
            play.home.heard(play)
        self._next(play)


@dataclass(frozen=True, slots=True)
class Loss:
    """The replica of this number (in the order of their start) is lost at `at` seconds."""

    at: float
    replica: int


@dataclass(frozen=True)
class Outcome:
    """`figures` follow from what was asked, and from nothing else; `seconds` of wall clock and `events` do not."""

    figures: Figures
    plays: Sequence[Play]
    tallies: Tallies
    events: int
    seconds: float


def simulate(
    service: Service, players: int, replicas: int = 1, audience: Audience | None = None, window: Window | None = None,
    losses: Sequence[Loss] = (), terms: Terms | None = None,
) -> Outcome:  # fmt: skip
    """As many players on as many replicas, tick by tick, all of them from the beginning. By default the other replicas
    have room for those of one that is lost.

    Raises `BadInputError` for fewer than one.
    """
    if players < 1 or replicas < 1:
        raise BadInputError(f"a simulation needs players and replicas; got {players} and {replicas}")
    window, agenda, began = window or Window(), Agenda(), time.perf_counter()
    terms = terms or Terms(capacity=-(-players // max(1, replicas - 1)), least=replicas, most=replicas)
    makers = Random(f"{window.seed}/replicas")
    fleet = Fleet[Play](
        agenda, terms, lambda name: Replica(name, agenda, service, Random(makers.random())), makers
    )  # fmt: skip
    hosts = [host for host in fleet.hosts if isinstance(host, Replica)]
    seated = Players(agenda, service, audience or Audience(), window)
    for number in range(players):
        # Where `place` puts those who come to empty replicas that are not to be packed: to the emptiest, by name.
        fleet.seat(seated.sit_down(), hosts[number % replicas])
    fleet.begin()
    for loss in losses:
        agenda.at(loss.at, lambda name=hosts[loss.replica].name: fleet.lose(name))  # type: ignore[misc]
    agenda.run(window.warm_up)
    lates, works = [play.late for play in seated.plays], [Work.of(host) for host in hosts]
    agenda.run(window.end)
    for play, late in zip(seated.plays, lates, strict=True):
        play.record.late = play.late - late
    done = [Work.of(host) - work for host, work in zip(hosts, works, strict=True)]
    agenda.run(window.end + GRACE)
    figures = figures_of([play.record for play in seated.plays], done, service, window.seconds)
    return Outcome(figures, seated.plays, fleet.tallies, agenda.happened, time.perf_counter() - began)


GRACE = 1.0
"""Seconds after the window in which changes of the controls within it are still answered."""
