"""What every experiment with the rules is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation.candidate import Candidate
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.plan import EvaluationPlan
from dreamcade.evaluation.reading import TRUSTED, Reader
from dreamcade.evaluation.twin import Twin

ENOUGH_PLAYS = 8
"""Plays of an experiment from which on it is judged."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The candidate, the real game where it can be replayed, and the network that reads both; `told` says how much that
    tells of each column of held-out play, of 1."""

    candidate: Candidate
    twin: Twin | None
    dataset: Dataset
    reader: Reader
    plan: EvaluationPlan
    seed: int
    progress: Progress
    told: Mapping[str, float] = field(default_factory=dict)

    def sides(self) -> Iterator[tuple[str, Candidate]]:
        """The dream, then the game if it is there."""
        yield "dream", self.candidate
        if self.twin is not None:
            yield "game", self.twin

    def enough(self, plays: int, *columns: str) -> bool:
        """Whether so many plays can be judged by what the network reads of `columns`."""
        return plays >= ENOUGH_PLAYS and all(self.told.get(name, 1.0) >= TRUSTED for name in columns)
