"""How much an evaluation measures."""

from __future__ import annotations

from dataclasses import dataclass, field

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.reading import ReaderTraining


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """`windows` for rollouts and control; `starts` of the pilot, which plays for `pilot_seconds` (None: as long as its
    game asks for); `rule_starts` of each scripted experiment, of which the wheel's are `steer_starts`
    and `steer_tracks` (real game); `long_frames` of long play."""

    windows: int = 48
    steer_starts: int = 40
    steer_tracks: int = 12
    rule_starts: int = 16
    starts: int = 12
    pilot_seconds: float | None = None
    long_frames: int = 10_000
    reader: ReaderTraining = field(default_factory=ReaderTraining)
    quick: bool = False

    def __post_init__(self) -> None:
        counts = (self.windows, self.steer_starts, self.starts, self.rule_starts, self.long_frames)
        if min(counts) < 1 or self.steer_tracks < 0:
            raise BadInputError(f"windows, starts and frames must be at least 1, tracks at least 0; got {self}")


QUICK = EvaluationPlan(
    windows=8, steer_starts=8, steer_tracks=2, rule_starts=4, starts=4, pilot_seconds=10.0, long_frames=400,
    reader=ReaderTraining(steps=300, samples=3000), quick=True,
)  # fmt: skip
