"""One player's play, as the schedule and the replica see it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random

from dreamcade.engine.decider import Foreknowledge
from dreamcade.evaluation.simulation.hands import Foreseen, Hand
from dreamcade.evaluation.simulation.record import Record


@dataclass(slots=True)
class Job:
    """A frame on its way to its player: the input that it used, and its number. `drafted`: before its action came."""

    sequence: int
    serial: int
    taken: float
    drafted: bool = False


@dataclass(eq=False, slots=True)
class Draft:
    """A frame for an action that may come. `drawn`: its picture is there, at `ends`; `job`: it was taken while that
    was being made."""

    guessed: bool
    drawing: bool = False
    ends: float = 0.0
    drawn: bool = False
    job: Job | None = None


@dataclass(eq=False, slots=True)
class Play:
    """It is its own course (`dreamcade.engine.schedule`).

    `changed`: the action in force is another than the last tick's; `foreseen` counts, from 1, which guess it is.
    `version` changes with every tick; drafts hold for one: `guesses` in the order of their chances, and `come` for an
    input that nobody foresaw.
    """

    number: int
    random: Random
    hand: Hand
    chances: Foreseen
    record: Record
    late: int = 0
    ahead: bool = False
    last_tick: float = 0.0
    fresh: bool = False
    changed: bool = False
    foreseen: int = 1
    sequence: int = 0
    version: int = 0
    planned: int = -1
    calm: bool = False
    """If the action stays, its next frame may be extrapolated."""
    skips: int = 0
    serial: int = 0
    shown_serial: int = 0
    on_screen: float = 0.0
    """When the newest frame that is being drawn will be shown: none after it comes before."""
    used: int = 0
    guesses: list[Draft] = field(default_factory=list)
    come: Draft | None = None
    foreknowledge: Foreknowledge = field(default_factory=Foreknowledge)
    unanswered: deque[tuple[int, float]] = field(default_factory=deque)
    last_arrival: float = 0.0
    last_heard: float = 0.0
    home: object | None = None
    """The replica that plays it, if one does; inputs of others are lost on the way."""

    @property
    def course(self) -> Play:
        return self

    @property
    def wants_between(self) -> bool:
        return False

    def stands(self) -> tuple[bool, bool]:
        """As `dreamcade.engine.schedule.Play`."""
        return self.fresh, self.come is not None or self.foreseen <= len(self.guesses)

    def draft(self) -> Draft | None:
        """The one for the action in force."""
        if self.come is not None:
            return self.come
        return self.guesses[self.foreseen - 1] if self.foreseen <= len(self.guesses) else None

    def hear(self, changed: bool) -> None:
        """An input has come."""
        self.fresh = True
        if changed:
            self.changed, self.come = True, None
            self.foreseen = self.chances.rank(True, self.random.random())

    def take(self) -> None:
        """A tick takes the newest input: nothing that was drafted holds any more, and the same action may go on."""
        self.used, self.fresh = self.sequence, False
        self.version += 1
        self.guesses, self.come, self.changed = [], None, False
        self.foreseen = self.chances.rank(False, self.random.random())

    def move(self, home: object | None) -> None:
        """Another replica plays it, or none: what it knew beyond the last committed tick is gone."""
        self.home, self.ahead = home, False
        self.guesses, self.come, self.planned = [], None, -1
