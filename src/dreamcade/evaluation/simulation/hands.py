"""What players do: when they change their controls, and how often that was foreseen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.simulation.durations import lognormal

HEARTBEAT = 0.5
"""Seconds after which the page repeats what is held (`client/player.js`)."""
UNFORESEEN = 1 << 30
"""More drafts than anybody makes."""


@dataclass(frozen=True, slots=True)
class Habits:
    """`changes` of the controls a second while a player plays, with gaps of `spread` (standard deviation over mean).
    Once in `think_every` seconds on average hands rest for `think` seconds on average; 0: never.

    Defaults: a person at a keyboard in Chromium changes 3.75 times a second (docs/latency.md); recordings as if on
    keys, racing 3.7 (spread 1.7), doom 4.8 (1.4), platformer 1.7 (0.8). Of thinking nothing was measured.
    """

    changes: float = 3.75
    spread: float = 1.7
    think_every: float = 0.0
    think: float = 2.0
    heartbeat: float = HEARTBEAT

    def __post_init__(self) -> None:
        values = (self.changes, self.spread, self.think_every, self.think, self.heartbeat)
        if min(values) < 0 or not self.heartbeat > 0:
            raise BadInputError(f"habits are not negative, and a heartbeat takes time; got {self}")


@dataclass(frozen=True, slots=True)
class Foreseen:
    """How often the action that comes is among the 1, 2, … likeliest: `same` where it is the one before again,
    `change` where it is another. Rising shares."""

    same: tuple[float, ...]
    change: tuple[float, ...]

    def __post_init__(self) -> None:
        for shares in (self.same, self.change):
            if not shares or list(shares) != sorted(shares) or not (shares[0] >= 0 and shares[-1] <= 1):
                raise BadInputError(f"hit rates for 1, 2, … drafts must rise from 0 to at most 1; got {shares}")
        if len(self.same) != len(self.change):
            raise BadInputError(f"as many hit rates of changes as of others are needed; got {self}")

    @classmethod
    def of_card(cls, rows: Sequence[Mapping[str, Any]]) -> Foreseen:
        """From a world's card: of its play as if on keys, or the last that it has."""
        row = next((row for row in rows if row["held-out play"] == "as if on keys"), rows[-1])
        again = _share(row["same again"])
        hits = [_share(value) for name, value in row.items() if name.endswith(("draft", "drafts"))]
        change = [_share(part) for part in row["on changes"].split("/")]
        same = [min(1.0, max(0.0, (hit - (1 - again) * c) / again)) for hit, c in zip(hits, change, strict=True)]
        return cls(_rising(same), _rising(change))

    def rank(self, changed: bool, number: float) -> int:
        """Which draft it is, counted from 1, for an evenly drawn `number` (0…1); `UNFORESEEN`: none."""
        for k, share in enumerate(self.change if changed else self.same, 1):
            if number < share:
                return k
        return UNFORESEEN


KEYS = Foreseen(same=(0.9968, 1.0, 1.0, 1.0), change=(0.004, 0.429, 0.673, 0.822))
"""`racing`, held-out play as if on keys (its card)."""
NEVER = Foreseen(same=(0.0,), change=(0.0,))


class Hand:
    """One player's hand: the moments of its inputs, by its own random numbers, whatever the engine does."""

    def __init__(self, habits: Habits, random: Random, begins: float) -> None:
        self._habits, self._random = habits, random
        self._sigma, self._mu = lognormal(1.0, habits.spread)
        self._beat = begins + random.random() * habits.heartbeat
        self._change = self._after(begins)

    def next(self) -> tuple[float, bool]:
        """The moment (seconds) of the next input, and whether it changes the controls; otherwise it repeats them."""
        if self._change <= self._beat:
            moment, self._change = self._change, self._after(self._change)
            return moment, True
        moment, self._beat = self._beat, self._beat + self._habits.heartbeat
        return moment, False

    def _after(self, moment: float) -> float:
        habits, random = self._habits, self._random
        if not habits.changes:
            return float("inf")
        gap = random.lognormvariate(self._mu, self._sigma) / habits.changes
        if habits.think_every and random.random() < gap / (gap + habits.think_every):
            gap += random.expovariate(1 / habits.think) if habits.think else 0.0
        return moment + gap


def _share(text: str) -> float:
    return float(text.strip().removesuffix("%")) / 100


def _rising(shares: Sequence[float]) -> tuple[float, ...]:
    risen, most = [], 0.0
    for share in shares:
        most = max(most, share)
        risen.append(most)
    return tuple(risen)
