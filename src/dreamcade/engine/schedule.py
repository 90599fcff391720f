"""When what is done for whom, in plain Python: the game loop carries it out, and a simulator can.

Nothing here reads a clock, holds a lock or touches a tensor: whoever asks says what time it is and who plays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from dreamcade.engine.clock import FixedRateClock
from dreamcade.engine.decider import Decision, Idle, Situation, decide, due_at

LOOK_AGAIN = 0.002
"""Seconds until the loop asks again whether drawing is done."""


class Course(Protocol):
    """What is kept of a play from tick to tick: whether its next tick was taken early, and when the last one was."""

    ahead: bool
    last_tick: float


class Play(Protocol):
    """One play, as the schedule sees it. `late` counts the frames that its player did not get."""

    late: int

    @property
    def course(self) -> Course: ...
    @property
    def wants_between(self) -> bool:
        """Whether a frame in between is wanted before its next tick, and was not shown yet."""
        ...

    def stands(self) -> tuple[bool, bool]:
        """Whether an input has come that no tick has used; whether the frame for the action in force was drafted."""
        ...


PlayT = TypeVar("PlayT", bound=Play)


class Schedule:
    """Keeps the tick rate for all plays of one loop. Not `paced`, ticks follow each other without a clock.

    `idle` knows how long passes take. An input that no tick has used may pull its play's tick forward, as long as there
    is idle time for that; all ticks that are due at one moment are one batch.
    """

    def __init__(self, clock: FixedRateClock, idle: Idle, paced: bool = True) -> None:
        self.clock = clock
        self.idle = idle
        self.paced = paced

    def early(self, plays: int) -> bool:
        """Whether a new input may pull its tick forward: ticks of their own for many `plays` would leave no time."""
        return self.idle.breadth(max(1, plays)) > 0

    def situation(self, play: Play, now: float, early: bool) -> Situation:
        """How a play stands; whether motion is calm is looked into when its tick comes."""
        deadline = self.clock.deadline + (self.clock.period if play.course.ahead else 0.0)
        fresh, drafted = play.stands()
        return Situation(now, deadline, self.clock.period, fresh, early, drafted)

    def due(self, running: Sequence[PlayT], now: float, early: bool) -> list[PlayT]:
        """Whose tick is to be taken now. One that was taken early is not taken again at its deadline."""
        if not self.paced:
            return list(running)
        if now >= self.clock.deadline:
            skipped = self.clock.take(now)
            due = [play for play in running if not play.course.ahead]
            for play in running:
                play.late += skipped
                play.course.ahead = False
            return due
        hurried = [play for play in running if decide(self.situation(play, now, early)) is not Decision.REPEAT]
        for play in hurried:
            play.course.ahead = True
        return hurried

    def is_half_way(self, play: Play, now: float) -> bool:
        """Whether the moment has come for a frame in between that is wanted."""
        last = play.course.last_tick
        return bool(last and now >= last + self.clock.period / 2 and play.wants_between)

    def next_time(self, running: Sequence[Play], now: float, early: bool) -> float:
        """When there is something to do next, if nothing happens until then."""
        return min((self._next_of(play, now, early) for play in running), default=self.clock.deadline)

    def _next_of(self, play: Play, now: float, early: bool) -> float:
        stands = self.situation(play, now, early)
        due = due_at(stands.deadline, stands.period, stands.fresh, stands.early)
        if play.wants_between:
            half = play.course.last_tick + stands.period / 2
            due = min(due, max(half, now + LOOK_AGAIN))  # drawing may be done by then
        return min(due, self.clock.deadline)


def is_surprised(speculation: bool, fresh: bool, drafted: bool) -> bool:
    """Whether an input has come that nobody foresaw, and that a frame is to be made for at once."""
    return speculation and fresh and not drafted


def needs_loop(decision: Decision, is_planned: bool, surprised: bool) -> bool:
    """Whether a play needs the loop before a pass over drafts is done: its frame is there, or will not be (nothing is
    planned for its action)."""
    if decision is Decision.DELIVER:
        return True
    return not is_planned and (decision is Decision.COMPUTE or surprised)


def drawing_room(idle: Idle, plays: int) -> int:
    """How many of its new drafts each of `plays` may have drawn."""
    return max(1, idle.drawings() // plays)
