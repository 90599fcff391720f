"""How one play runs: what the game loop keeps of it from tick to tick. Only the loop's thread touches it."""

from __future__ import annotations

from dataclasses import dataclass, field

from dreamcade.dynamics import ActionPredictor
from dreamcade.engine.decider import Foreknowledge
from dreamcade.engine.drafts import DraftBook
from dreamcade.engine.foresight import Foresight


@dataclass(slots=True)
class Course:
    """`ahead`: its next tick was taken before the deadline. `planned` and `between` are the session's versions for
    which drafts were planned and a frame in between was shown, `known` the one that `foresight` has been told of;
    `serial` numbers its frames; `last_tick` is in seconds."""

    predictor: ActionPredictor | None
    book: DraftBook = field(default_factory=DraftBook)
    foreknowledge: Foreknowledge = field(default_factory=Foreknowledge)
    foresight: Foresight | None = None
    ahead: bool = False
    planned: int = -1
    between: int = -1
    known: int = -1
    serial: int = 0
    last_tick: float = 0.0

    def __post_init__(self) -> None:
        if self.predictor is not None:
            self.foresight = Foresight(self.predictor)

    def next_serial(self) -> int:
        """The number of the next frame."""
        self.serial += 1
        return self.serial
