"""How long a stage takes, by the size of its batch: measured, or by a model with a stated spread. Seconds."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from dreamcade.core.errors import BadInputError


class Durations(Protocol):
    """Of one stage."""

    def mean(self, batch: int) -> float:
        """What a batch takes on average."""
        ...

    def draw(self, batch: int, random: Random) -> float:
        """What it takes this time."""
        ...


class Means:
    """Means by batch, linear in between; beyond the largest each more costs what the last ones did. A single one is
    taken to be proportional."""

    def __init__(self, by_batch: Mapping[int, float]) -> None:
        if not by_batch or min(by_batch) < 1 or not all(math.isfinite(t) and t >= 0 for t in by_batch.values()):
            raise BadInputError(f"stage times need a batch from 1 and seconds that are not negative; got {by_batch}")
        self._batches = sorted(by_batch)
        self._times = [by_batch[batch] for batch in self._batches]
        self._known: dict[int, float] = dict(by_batch)

    def __call__(self, batch: int) -> float:
        known = self._known.get(batch)
        if known is None:
            known = self._known[batch] = self._between(batch)
        return known

    def _between(self, batch: int) -> float:
        batches, times = self._batches, self._times
        if len(batches) == 1:
            return times[0] * batch / batches[0]
        right = min(max(bisect_left(batches, batch), 1), len(batches) - 1)
        low, high = batches[right - 1], batches[right]
        slope = (times[right] - times[right - 1]) / (high - low)
        return max(times[right - 1] + slope * (batch - low), 0.0)


@dataclass(frozen=True)
class Modelled:
    """Lognormal about `means`; `spread` is the standard deviation over the mean, 0: always the mean."""

    means: Means
    spread: float = 0.0
    _sigma: float = field(init=False)
    _mu: float = field(init=False)

    def __post_init__(self) -> None:
        if not 0 <= self.spread < math.inf:
            raise BadInputError(f"a spread is a share of the mean and not negative; got {self.spread}")
        sigma, mu = lognormal(1.0, self.spread)
        object.__setattr__(self, "_sigma", sigma)
        object.__setattr__(self, "_mu", mu)

    def mean(self, batch: int) -> float:
        return self.means(batch)

    def draw(self, batch: int, random: Random) -> float:
        mean = self.means(batch)
        return mean * random.lognormvariate(self._mu, self._sigma) if self._sigma else mean


class Measured:
    """Draws from what was measured; a batch that was not measured takes a sample of the nearest one, scaled by the
    means."""

    def __init__(self, samples: Mapping[int, Sequence[float]]) -> None:
        if not samples or not all(samples.values()):
            raise BadInputError("measured stage times need at least one sample for every batch")
        self._samples = {batch: list(times) for batch, times in samples.items()}
        self._means = Means({batch: sum(times) / len(times) for batch, times in samples.items()})
        self._nearest: dict[int, int] = {}

    def mean(self, batch: int) -> float:
        return self._means(batch)

    def draw(self, batch: int, random: Random) -> float:
        nearest = self._nearest.get(batch)
        if nearest is None:
            nearest = self._nearest[batch] = min(self._samples, key=lambda known: (abs(known - batch), known))
        samples = self._samples[nearest]
        sample = samples[int(random.random() * len(samples))]
        return sample if nearest == batch else sample * self._means(batch) / max(self._means(nearest), 1e-12)


def constant(seconds: float, each: float | None = None) -> Modelled:
    """Always the same: `seconds` for one, and as much, or `each`, for every one more."""
    return Modelled(Means({1: seconds, 2: seconds + (seconds if each is None else each)}))


def lognormal(mean: float, spread: float) -> tuple[float, float]:
    """σ and μ of a lognormal of this mean, whose standard deviation is `spread` times it."""
    sigma = math.sqrt(math.log1p(spread**2))
    return sigma, math.log(mean) - sigma**2 / 2
