"""The schedule is told what time it is and how plays stand; no thread, no world."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamcade.engine.clock import FixedRateClock
from dreamcade.engine.decider import Decision, Idle
from dreamcade.engine.schedule import LOOK_AGAIN, Schedule, drawing_room, is_surprised, needs_loop

PERIOD = 0.04


@dataclass
class Past:
    ahead: bool = False
    last_tick: float = 0.0


@dataclass(eq=False)
class Toy:
    fresh: bool = False
    drafted: bool = False
    wants_between: bool = False
    late: int = 0
    course: Past = field(default_factory=Past)

    def stands(self) -> tuple[bool, bool]:
        return self.fresh, self.drafted


def schedule(paced: bool = True) -> Schedule:
    made = Schedule(FixedRateClock(1 / PERIOD), Idle(PERIOD), paced)
    made.clock.start(10.0)
    made.clock.take(10.0)
    return made


def test_all_that_are_due_are_one_batch() -> None:
    plays = [Toy(), Toy(fresh=True), Toy(drafted=True)]
    keeper = schedule()
    assert keeper.due(plays, 10.03, early=False) == []
    assert keeper.due(plays, 10.04, early=False) == plays
    assert keeper.clock.deadline == pytest.approx(10.08)


def test_a_new_input_pulls_its_own_tick_forward_by_half_a_period_and_no_more() -> None:
    eager, calm = Toy(fresh=True), Toy()
    keeper = schedule()
    assert keeper.due([eager, calm], 10.019, early=True) == []
    assert keeper.next_time([eager, calm], 10.0, early=True) == pytest.approx(10.02)
    assert keeper.due([eager, calm], 10.021, early=True) == [eager]
    assert keeper.due([eager, calm], 10.039, early=True) == [], "once a period"
    assert keeper.due([eager, calm], 10.041, early=True) == [calm], "at the deadline only who has not had it"
    assert keeper.due([eager, calm], 10.061, early=True) == [eager]


def test_where_there_is_no_idle_time_nobody_is_early() -> None:
    keeper = schedule()
    assert keeper.early(1)
    for _ in range(3):
        keeper.idle.passed(8, 0.9 * PERIOD)
    assert not keeper.early(8)
    assert keeper.due([Toy(fresh=True)], 10.03, keeper.early(8)) == []


def test_skipped_ticks_count_for_everyone_and_end_being_ahead() -> None:
    ahead, other = Toy(course=Past(ahead=True)), Toy()
    keeper = schedule()
    assert keeper.due([ahead, other], 10.0 + 4.5 * PERIOD, early=True) == [other]
    assert (ahead.late, other.late) == (3, 3)
    assert not ahead.course.ahead


def test_without_a_clock_everyone_is_always_due() -> None:
    plays = [Toy(), Toy()]
    assert schedule(paced=False).due(plays, 10.0, early=False) == plays


def test_a_frame_in_between_has_its_moment() -> None:
    play, keeper = Toy(wants_between=True), schedule()
    assert not keeper.is_half_way(play, 10.03), "there was no tick yet"
    play.course.last_tick = 10.0
    assert not keeper.is_half_way(play, 10.019)
    assert keeper.is_half_way(play, 10.021)
    assert keeper.next_time([play], 10.01, early=False) == pytest.approx(10.02)
    assert keeper.next_time([play], 10.03, early=False) == pytest.approx(10.03 + LOOK_AGAIN)
    play.wants_between = False
    assert not keeper.is_half_way(play, 10.021)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0005, 0.05)), max_size=80), st.booleans())
def test_a_play_has_one_tick_a_period_or_it_is_late(steps: list[tuple[bool, float]], early: bool) -> None:
    """Whatever comes when: ticks taken, and those left out, are those that the clock has counted."""
    keeper, plays, now = schedule(), [Toy(), Toy()], 10.0
    taken = dict.fromkeys(plays, 0)
    for fresh, pause in steps:
        now += pause
        plays[0].fresh = plays[0].fresh or fresh
        for play in keeper.due(plays, now, early):
            taken[play] += 1
            play.fresh = False
        assert keeper.next_time(plays, now, early) <= keeper.clock.deadline
    passed = round((keeper.clock.deadline - 10.0) / PERIOD) - 1
    for play in plays:
        assert taken[play] + play.late == passed + play.course.ahead


@pytest.mark.parametrize(
    ("decision", "is_planned", "surprised", "needed"),
    [
        (Decision.DELIVER, True, False, True),
        (Decision.COMPUTE, True, True, False),
        (Decision.COMPUTE, False, False, True),
        (Decision.REPEAT, False, True, True),
        (Decision.REPEAT, False, False, False),
    ],
)
def test_what_ends_a_pass_over_drafts(decision: Decision, is_planned: bool, surprised: bool, needed: bool) -> None:
    assert needs_loop(decision, is_planned, surprised) is needed


def test_a_surprise_is_a_new_input_without_a_draft() -> None:
    assert is_surprised(speculation=True, fresh=True, drafted=False)
    assert not is_surprised(speculation=False, fresh=True, drafted=False)
    assert not is_surprised(speculation=True, fresh=True, drafted=True)
    assert not is_surprised(speculation=True, fresh=False, drafted=False)


def test_room_for_drawing_is_shared_and_never_nothing() -> None:
    idle = Idle(PERIOD)
    idle.drew(1, 0.004)
    assert drawing_room(idle, 1) == 5
    assert drawing_room(idle, 2) == 2
    assert drawing_room(idle, 9) == 1
