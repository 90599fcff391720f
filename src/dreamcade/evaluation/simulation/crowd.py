"""Who comes to play, when, and for how long."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.simulation.durations import lognormal

DAY = 86_400.0
QUIETEST = 0.15
"""Of the evening's players: how many play in the early morning (assumed; public counts of online players of PC games
swing less over the whole world, and more in one country)."""
PEAK_HOUR = 20.5


@dataclass(frozen=True, slots=True)
class Visit:
    """A player who comes at `arrives` and plays for `stays` (seconds)."""

    number: int
    arrives: float
    stays: float


@dataclass(frozen=True, slots=True)
class Visits:
    """Players as they come: a Poisson process whose rate makes `players(t)` play on average at a time, once sessions of
    `minutes` on average (lognormal of this `spread`) have had time to begin and end.

    Defaults: 20 minutes, spread 1: assumed, nothing of the kind was measured here.
    """

    players: Callable[[float], float]
    most: float
    minutes: float = 20.0
    spread: float = 1.0

    def __post_init__(self) -> None:
        if not (self.most > 0 and self.minutes > 0 and self.spread >= 0):
            raise BadInputError(f"visits need players, minutes and a spread that is not negative; got {self}")

    def until(self, end: float, random: Random) -> Iterator[Visit]:
        """In the order of their coming; those that play at the beginning come at 0."""
        mean = 60.0 * self.minutes
        sigma, mu = lognormal(mean, self.spread)
        number = 0
        for _ in range(round(self.players(0.0))):
            # A session that is met in its middle is a long one: its length counts as often as its seconds.
            stays = random.lognormvariate(mu + sigma**2, sigma)
            yield Visit(number, 0.0, random.random() * stays)
            number += 1
        now = 0.0
        while (now := now + random.expovariate(self.most / mean)) < end:
            if random.random() * self.most < self.players(now):
                yield Visit(number, now, random.lognormvariate(mu, sigma))
                number += 1


def steady(players: float) -> Visits:
    """As many at any time, coming and going."""
    return Visits(lambda now: players, players)


def ramp(players: float, seconds: float) -> Visits:
    """From nobody to `players` in so many seconds, and on like that."""
    return Visits(lambda now: players * min(1.0, now / seconds), players)


def diurnal(players: float, quietest: float = QUIETEST, peak: float = PEAK_HOUR) -> Visits:
    """A day from midnight: `players` at the `peak` hour, a share of them twelve hours before."""

    def at(now: float) -> float:
        wave = (1 + math.cos(2 * math.pi * (now / DAY - peak / 24))) / 2
        return players * (quietest + (1 - quietest) * wave)

    return Visits(at, players)
