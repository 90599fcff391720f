"""A day of coming and going: how many devices an autoscaled fleet holds, and how its players fare.

Ticks are not simulated for a whole day: what a replica does to its players depends on how many it has, and that is
known from windows of play (`Trials`). So sessions are the events here, and play is weighed by how long replicas had so
many of them.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from dreamcade.cluster.autoscaling import HEADROOM
from dreamcade.evaluation.simulation.agenda import Agenda
from dreamcade.evaluation.simulation.crowd import DAY, Visit, Visits
from dreamcade.evaluation.simulation.fleet import Fleet, Tallies, Terms
from dreamcade.evaluation.simulation.objective import Trials
from dreamcade.evaluation.simulation.service import Service, busy_of

KNOWN_LOADS = 8
"""Numbers of sessions of a replica for which play is simulated; those in between take the next larger one's figures."""


class Seats:
    """A replica of which only the number of its sessions counts."""

    def __init__(self, name: str, service: Service) -> None:
        self.name, self.service = name, service
        self._visits: dict[Visit, None] = {}

    @property
    def sessions(self) -> int:
        return len(self._visits)

    @property
    def busy(self) -> float:
        return busy_of(self.service, len(self._visits))

    def admit(self, play: Visit) -> None:
        self._visits[play] = None

    def dismiss(self, play: Visit) -> None:
        self._visits.pop(play, None)

    def stop(self) -> list[Visit]:
        visits, self._visits = list(self._visits), {}
        return visits


@dataclass(frozen=True)
class Day:
    """`loads`: for how many reviews replicas had so many sessions; `events` happened in simulating it."""

    tallies: Tallies
    loads: Counter[int]
    devices_each: int
    visits: int
    events: int

    @property
    def device_hours(self) -> float:
        """Held, by the history."""
        times, replicas = (np.array([row[i] for row in self.tallies.history], float) for i in (0, 1))
        return float(np.sum(np.diff(times) * replicas[:-1]) / 3600 * self.devices_each) if len(times) > 1 else 0.0

    @property
    def player_hours(self) -> float:
        times, playing = (np.array([row[i] for row in self.tallies.history], float) for i in (0, 2))
        return float(np.sum(np.diff(times) * playing[:-1]) / 3600) if len(times) > 1 else 0.0


def simulate_day(service: Service, visits: Visits, terms: Terms, seed: int = 0, seconds: float = DAY) -> Day:
    """From midnight on, with as many replicas as its players need; the autoscaler does the rest."""
    agenda, random = Agenda(), Random(f"{seed}/day")
    needed = math.ceil((1 + HEADROOM) * visits.players(0.0) / terms.capacity)
    first = min(terms.most, max(terms.least, needed))
    fleet = Fleet[Visit](agenda, terms, lambda name: Seats(name, service), random, autoscale=True, first=first)
    loads: Counter[int] = Counter()
    coming = list(visits.until(seconds, Random(f"{seed}/visits")))

    def arrive(visit: Visit) -> None:
        fleet.arrive(visit)
        agenda.at(agenda.now + visit.stays, lambda: fleet.leave(visit))

    def look() -> None:
        loads.update(host.sessions for host in fleet.hosts if host.sessions)
        agenda.at(agenda.now + 60.0, look)

    for visit in coming:
        agenda.at(visit.arrives, lambda visit=visit: arrive(visit))  # type: ignore[misc]
    fleet.begin()
    look()
    agenda.run(seconds)
    return Day(fleet.tallies, loads, service.devices, len(coming), agenda.happened)


def play_of(day: Day, trials: Trials) -> dict[str, Any]:
    """How those who had a place played: figures by load, weighed by the players who met it."""
    if not day.loads:
        return {}
    loads = sorted(day.loads)
    chosen = sorted({loads[round(i * (len(loads) - 1) / (KNOWN_LOADS - 1))] for i in range(KNOWN_LOADS)})
    weights = Counter[int]()
    for load, times in day.loads.items():
        weights[next(known for known in chosen if known >= load)] += load * times
    total = sum(weights.values())
    figures = {load: trials.of(load) for load in chosen}
    names = ("fps", "misses", "latency_p50", "latency_p95", "hit_rate", "dynamics", "decoder")
    means = {n: sum(w * _number(getattr(figures[load], n)) for load, w in weights.items()) / total for n in names}
    worst = {name: max(getattr(found, name) for found in figures.values()) for name in ("latency_p95", "misses")}
    return {"mean": means, "worst": worst, "most_sessions": loads[-1]}


def _number(value: float) -> float:
    return 0.0 if value != value else value
