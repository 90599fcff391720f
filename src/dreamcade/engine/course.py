"""How one play runs: what the game loop keeps of it from tick to tick. Only the loop's thread touches it."""

from __future__ import annotations

from dataclasses import dataclass, field

from dreamcade.engine.decider import Foreknowledge
from dreamcade.engine.drafts import DraftBook, Standing


@dataclass(slots=True)
class Course:
    """`ahead`: its next tick was taken before the deadline. `planned` is what drafts were planned for; `between` is the
    session's version for which a frame in between was shown, `known` the one that the predictor was told of;
    `serial` numbers its frames; `last_tick` is in seconds."""

    book: DraftBook = field(default_factory=DraftBook)
    foreknowledge: Foreknowledge = field(default_factory=Foreknowledge)
    ahead: bool = False
    planned: Standing | None = None
    between: int = -1
    known: int = -1
    serial: int = 0
    last_tick: float = 0.0

    def next_serial(self) -> int:
        """The number of the next frame."""
        self.serial += 1
        return self.serial
