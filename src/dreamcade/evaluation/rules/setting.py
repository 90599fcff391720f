"""What every experiment with the rules is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation.candidate import Candidate
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.plan import EvaluationPlan
from dreamcade.evaluation.reading import Reader
from dreamcade.evaluation.twin import Twin


@dataclass(frozen=True, slots=True)
class Setting:
    """The candidate, the real game where it can be replayed, and the network that reads both."""

    candidate: Candidate
    twin: Twin | None
    dataset: Dataset
    reader: Reader
    plan: EvaluationPlan
    seed: int
    progress: Progress

    def sides(self) -> Iterator[tuple[str, Candidate]]:
        """The dream, then the game if it is there."""
        yield "dream", self.candidate
        if self.twin is not None:
            yield "game", self.twin
