"""The rule, in every situation; no engine, no clock, no tensor."""

from __future__ import annotations

import ast
import inspect
import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamcade.engine import decider
from dreamcade.engine.decider import EARLY, Decision, Foreknowledge, Idle, Limits, Situation, decide, due_at

PERIOD = 0.04
seconds = st.floats(0, 1e6, allow_nan=False)


@pytest.mark.parametrize(("fresh", "early", "drafted", "calm"), list(itertools.product([False, True], repeat=4)))
@pytest.mark.parametrize(
    "before", [1.0, EARLY + 1e-3, EARLY - 1e-3, 0.0, -3.0], ids=["far", "outside", "inside", "due", "late"]
)
def test_every_situation(fresh: bool, early: bool, drafted: bool, calm: bool, before: float) -> None:
    situation = Situation(10.0, 10.0 + before * PERIOD, PERIOD, fresh, early, drafted, calm)
    due = before <= 0 or (before < EARLY and fresh and early)
    expected = Decision.DELIVER if drafted else Decision.EXTRAPOLATE if calm else Decision.COMPUTE
    assert decide(situation) is (expected if due else Decision.REPEAT)


def test_without_a_sane_clock_nothing_is_due() -> None:
    assert decide(Situation(math.nan, 10.0, PERIOD, drafted=True)) is Decision.REPEAT


@given(seconds, st.floats(1e-3, 1.0), st.booleans(), st.booleans())
def test_a_tick_is_never_taken_earlier_than_half_a_period(
    deadline: float, period: float, fresh: bool, early: bool
) -> None:
    moment = due_at(deadline, period, fresh, early)
    assert deadline - EARLY * period - 1e-9 <= moment <= deadline
    assert moment == deadline or (fresh and early)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 5)), max_size=60))
def test_runs_of_extrapolated_frames_are_short(play: list[tuple[float, float]]) -> None:
    """However calm a play is, every run of skips ends, and a jerk ends it at once."""
    limits = Limits(action_distance=0.5, curvature=1.0, most_skips=3)
    skips = 0
    for distance, curvature in play:
        calm = limits.allow(distance, curvature, skips)
        assert not (calm and (distance > 0.5 or curvature > 1.0 or skips >= 3))
        skips = skips + 1 if calm else 0
        assert skips <= 3


@pytest.mark.parametrize(("distance", "curvature"), [(math.nan, 0.0), (0.0, math.nan), (0.0, math.inf)])
def test_what_is_not_a_number_is_not_smooth(distance: float, curvature: float) -> None:
    assert not Limits(1.0, 1.0, 1).allow(distance, curvature, 0)


def test_rare_hits_stand_aside_and_are_tried_again() -> None:
    known = Foreknowledge()
    ticks = 0
    while known.worthwhile:
        known.tick(hit=False)
        ticks += 1
    assert 20 < ticks < 100
    for _ in range(Foreknowledge.RETRY):
        assert not known.worthwhile
        known.tick(hit=None)
    assert known.worthwhile
    for _ in range(1000):
        known.tick(hit=True)
    assert known.worthwhile and known.hit_rate > 0.99


@given(st.lists(st.sampled_from([True, False, None]), max_size=400))
def test_a_hit_rate_is_a_rate(outcomes: list[bool | None]) -> None:
    known = Foreknowledge()
    for outcome in outcomes:
        known.tick(outcome)
        assert 0 <= known.hit_rate <= 1
        assert 0 <= known.aside <= Foreknowledge.RETRY


def test_breadth_follows_the_time_that_is_left() -> None:
    idle = Idle(PERIOD)
    assert idle.breadth(1) == Idle.BROADEST, "nothing is known yet: try"
    for batch, took in ((1, 0.020), (2, 0.024), (3, 0.032), (4, 0.039)):
        idle.passed(batch, 1.0)  # the first of a size warms up
        idle.passed(batch, took)
    assert idle.breadth(1) == 3
    assert idle.breadth(2) == 1
    assert idle.breadth(20) == 0, "many players leave no time"
    for _ in range(40):
        idle.passed(1, 0.050)
        idle.passed(2, 0.060)
        idle.passed(3, 0.070)
        idle.passed(4, 0.080)
    assert idle.breadth(1) == 0


@given(st.dictionaries(st.integers(1, 8), st.floats(1e-4, 0.2), max_size=4), st.integers(1, 50))
def test_what_is_planned_fits_into_a_period(measured: dict[int, float], sessions: int) -> None:
    idle = Idle(PERIOD)
    for batch, took in measured.items():
        idle.passed(batch, took)
        idle.passed(batch, took)
    breadth = idle.breadth(sessions)
    assert 0 <= breadth <= Idle.BROADEST
    assert breadth == 0 or idle.pass_time(breadth * sessions) <= Idle.SHARE * PERIOD


def test_a_busy_moment_is_forgotten() -> None:
    idle = Idle(PERIOD)
    for _ in range(2):
        idle.passed(1, 0.010)
        idle.passed(2, 0.050)
    assert idle.breadth(1) == 1
    for _ in range(Idle.FORGOTTEN + 1):
        idle.passed(1, 0.010)
    assert idle.breadth(1) > 1, "tried again"


def test_drawings_fit_too() -> None:
    idle = Idle(PERIOD)
    assert idle.drawings() == Idle.BROADEST
    idle.drew(2, 0.026)
    assert idle.drawings() == 1
    idle = Idle(PERIOD)
    idle.drew(1, 0.001)
    assert idle.drawings() == 20
    idle = Idle(PERIOD)
    idle.drew(1, 0.1)
    assert idle.drawings() == 0


def test_it_is_plain_python() -> None:
    tree = ast.parse(inspect.getsource(decider))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imported == {"__future__", "math", "dataclasses", "enum"}


def test_a_stage_is_as_busy_as_its_ticks_make_it_and_carries_what_fits() -> None:
    idle = Idle(0.040)
    assert (idle.busy(3), idle.capacity(0.9, 64)) == (0.0, 64)  # nothing is known yet
    for batch, seconds in ((1, 0.010), (4, 0.020)):
        idle.passed(batch, 1.0)  # warms up
        idle.passed(batch, seconds)
    assert (idle.busy(0), idle.busy(1), idle.busy(4)) == (0.0, 0.25, 0.5)
    carried = idle.capacity(0.9, 64)
    assert idle.busy(carried) <= 0.9 < idle.busy(carried + 1)
    idle.drew(1, 0.015)
    assert idle.busy(2) == 0.75  # now drawing is the slower one
    assert (idle.capacity(0.9, 64), idle.capacity(0.9, 1), idle.capacity(0.1, 64)) == (2, 1, 1)
