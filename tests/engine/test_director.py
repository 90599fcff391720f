"""Whatever happens in whatever order, every frame that is shown is the frame that a plain session would make.

The director is driven here without threads: events come from hypothesis, and a twin session, stepped plainly, says what
is right. Drafts are made in batches of other sizes than the twin's, and matrix products of another shape round
otherwise; in float32 that never reached a shade of eight bits in a hundred ticks, so one shade is allowed.
"""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamcade.core.errors import BadInputError
from dreamcade.core.types import FrameKind, Pixels, Tally
from dreamcade.engine import EncodedFrame, Engine, GameLoop, Session
from dreamcade.engine.modes import Modes
from dreamcade.world import World

SHADES = 1
ACTIONS = [np.array([steer, jump], np.float32) for steer in (-1.0, -0.5, 0.0, 0.4, 1.0) for jump in (0.0, 1.0)]


class Rig:
    """A handle whose loop never starts: the test decides what happens next."""

    def __init__(self, world: World, modes: Modes) -> None:
        self.engine = Engine(world, device="cpu", dtype=torch.float32)
        self.twin_engine = Engine(world, device="cpu", dtype=torch.float32)
        self.loop = GameLoop(self.engine, lambda pixels: pixels.tobytes(), pipeline=False)
        self.director, self.drawer = self.loop._director, self.loop._drawer
        self.drawer.beside = False
        self.session = self.engine.open_session(seed=5)
        self.twin = self.twin_engine.open_session(seed=5)
        self.shown: list[EncodedFrame] = []
        self.handle = self.loop.attach(self.session, self.shown.append, self._fail, modes=modes)
        self.right: dict[int, Pixels] = {0: self.twin.frame.pixels}
        self.sequence = 0
        self.checked = 0
        self.breadth(4)

    @staticmethod
    def _fail(error: Exception) -> None:
        raise error

    def breadth(self, count: int) -> None:
        """Drafts a tick, however busy this machine is."""
        self.director.idle.breadth = lambda sessions: count  # type: ignore[method-assign]
        self.director.idle.drawings = lambda: count  # type: ignore[method-assign]

    def input(self, action: np.ndarray) -> None:
        self.sequence += 1
        self.handle.input(action, self.sequence, 0.0)

    def tick(self) -> None:
        self.director.tick([self.handle], time.perf_counter())
        action = self.handle.used.action
        engine, twin = self.twin_engine, self.twin
        if self.handle.modes.extrapolation and engine.calm(twin, action):
            engine.commit([engine.extrapolate(twin, action)])
        else:
            engine.commit(engine.propose([(twin, action)]))
        self.right[twin.tick] = twin.frame.pixels

    def round(self, action: np.ndarray, drawn: bool) -> None:
        """How play goes most of the time: idle time, then an input and its tick."""
        self.draft(99)
        if drawn:
            self.draw()
        self.input(action)
        self.tick()

    def draft(self, blocks: int) -> None:
        """Given up after so many blocks."""
        left = [blocks]

        def wanted(planned: object) -> bool:
            left[0] -= 1
            return left[0] >= 0

        unplanned = self.director.unplanned([self.handle])
        if unplanned:
            self.director.draft(unplanned, wanted)

    def reset(self, seed: int) -> None:
        self.session.reset(seed=seed)
        self.twin.reset(seed=seed)
        self.right = {0: self.twin.frame.pixels}
        self.director.first_frame(self.handle)

    def foreign_step(self) -> None:
        self.session.step(ACTIONS[3])
        self.right[self.session.tick] = self.twin.step(ACTIONS[3]).pixels

    def between(self) -> None:
        if self.handle.modes.in_between:
            self.director.between(self.handle)

    def draw(self) -> None:
        while self.drawer._jobs or self.drawer._drafts:  # and not what a test took out to draw it later
            self.drawer.work_off()

    def snapshot(self) -> None:
        """A session that is restored now, drafts or not, goes on as the twin would."""
        other = self.twin_engine.restore_session(self.session.snapshot())
        same(other.frame.pixels, self.right[self.session.tick])
        assert (other.skips, other.tick) == (self.session.skips, self.session.tick)
        other.close()

    def check(self) -> None:
        """What was shown since the last check is right."""
        for frame in self.shown[self.checked :]:
            if frame.timing.kind is FrameKind.IN_BETWEEN:
                continue
            same(np.frombuffer(frame.data, np.uint8).reshape(self.right[0].shape), self.right[frame.tick])
        self.checked = len(self.shown)


def same(got: Pixels, right: Pixels) -> None:
    assert np.abs(got.astype(int) - right).max() <= SHADES


inputs = st.sampled_from(ACTIONS).map(lambda action: ("input", action))
events = st.one_of(
    inputs,
    inputs,
    st.just(("tick",)),
    st.tuples(st.sampled_from(ACTIONS), st.booleans()).map(lambda round: ("round", *round)),
    st.tuples(st.sampled_from(ACTIONS), st.booleans()).map(lambda round: ("round", *round)),
    st.integers(0, 20).map(lambda blocks: ("draft", blocks)),
    st.just(("draft", 99)),
    st.just(("draw",)),
    st.just(("between",)),
    st.just(("snapshot",)),
    st.just(("foreign_step",)),
    st.integers(0, 3).map(lambda seed: ("reset", seed)),
    st.tuples(st.booleans(), st.booleans(), st.booleans()).map(lambda on: ("modes", *on)),
)


@given(st.lists(events, min_size=8, max_size=60))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_wrong_frame_is_ever_shown(swift_world: World, happening: list[tuple[object, ...]]) -> None:
    rig = Rig(swift_world, Modes(extrapolation=True, in_between=True))
    for name, *arguments in happening:
        if name == "modes":
            rig.handle.set_modes(*arguments)  # type: ignore[arg-type]
        else:
            getattr(rig, str(name))(*arguments)
        if name in ("tick", "round", "reset"):
            rig.draw()
        rig.check()
    assert rig.handle.error is None
    assert len(rig.handle.course.book.drafts) <= 8
    tally = rig.handle.tally
    assert tally.drafted <= tally.computed + tally.extrapolated
    assert tally.drafted + tally.missed <= tally.computed + tally.extrapolated


@pytest.fixture
def rig(swift_world: World) -> Rig:
    return Rig(swift_world, Modes())


def everything_drafted(rig: Rig) -> Rig:
    """Drafts for all actions that the predictor knows of, drawn."""
    rig.breadth(10)
    rig.input(ACTIONS[2])  # no hand on keys
    rig.tick()
    rig.draft(99)
    rig.draw()
    return rig


def test_a_hit_is_there_at_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    everything_drafted(rig)
    monkeypatch.setattr(rig.engine.passes.executor, "sample", None)  # whoever computes or draws now fails
    monkeypatch.setattr(rig.engine.passes.executor, "draw", None)
    shown = len(rig.shown)
    rig.input(ACTIONS[6])
    rig.tick()
    assert len(rig.shown) == shown + 1
    frame = rig.shown[-1]
    assert frame.timing.drafted and frame.sequence == 2
    assert frame.timing.ready_ms < frame.timing.compute_ms
    assert rig.handle.tally == Tally(computed=2, drafted=1, wasted=9)
    rig.check()


def test_a_miss_is_computed_and_its_drafts_are_dropped(rig: Rig) -> None:
    rig.breadth(2)
    rig.tick()
    rig.draft(99)
    book = rig.handle.course.book
    other = next(a for a in ACTIONS if book.find(rig.engine.snap(a), rig.handle.standing) is None)
    rig.input(other)
    rig.tick()
    rig.draw()
    rig.check()
    assert not rig.shown[-1].timing.drafted
    assert rig.handle.tally == Tally(computed=2, missed=1, wasted=2)
    assert not book.drafts


def test_an_input_that_has_come_goes_before_guesses(rig: Rig) -> None:
    rig.tick()
    rig.input(ACTIONS[8])
    rig.draft(99)
    assert len(rig.handle.course.book.drafts) == 1
    rig.tick()
    rig.draw()
    rig.check()
    assert not rig.shown[-1].timing.drafted, "a head start is no guess"
    assert rig.handle.tally == Tally(computed=2)


def test_a_draft_taken_while_it_is_drawn_is_shown_when_it_is_done(rig: Rig) -> None:
    rig.tick()
    rig.input(ACTIONS[2])
    rig.draft(99)
    tasks = rig.drawer._take(drafts=True)
    rig.tick()
    shown = len(rig.shown)
    rig.drawer._draw(tasks)
    assert len(rig.shown) == shown + 1
    rig.check()


def test_an_older_frame_is_never_shown_after_a_newer_one(rig: Rig) -> None:
    rig.tick()
    tasks = rig.drawer._take(drafts=False)  # being drawn, slowly
    everything_drafted(rig)
    rig.input(ACTIONS[4])
    rig.tick()
    newest = rig.shown[-1]
    late = rig.handle.late
    rig.drawer._draw(tasks)
    assert rig.shown[-1] is newest
    assert rig.handle.late == late + 1


def test_extrapolated_frames_need_no_pass(swift_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(swift_world, Modes(speculation=False, extrapolation=True))
    monkeypatch.setattr(type(rig.engine), "calm", lambda self, session, action: session.skips < 2)
    for _ in range(9):
        rig.tick()
        rig.draw()
        rig.check()
    kinds = [frame.timing.kind for frame in rig.shown]
    assert kinds == 3 * [FrameKind.EXTRAPOLATED, FrameKind.EXTRAPOLATED, FrameKind.COMPUTED]
    assert rig.handle.tally == Tally(computed=3, extrapolated=6)


def test_actions_are_told_apart_on_the_grid_alone(swift_world: World) -> None:
    engine = Engine(swift_world, device="cpu", dtype=torch.float32)
    once, twice = (engine.open_session(seed=1) for _ in range(2))
    assert np.array_equal(once.step([0.3, 1]).pixels, twice.step([0.5, 1]).pixels)
    assert not np.array_equal(once.step([0.3, 1]).pixels, twice.step([0.2, 1]).pixels)


def test_a_proposal_for_another_moment_is_refused(swift_world: World) -> None:
    engine = Engine(swift_world, device="cpu", dtype=torch.float32)
    session: Session = engine.open_session(seed=1)
    [proposal] = engine.propose([(session, ACTIONS[0])])
    session.step(ACTIONS[1])
    with pytest.raises(BadInputError, match="changed since this was proposed"):
        engine.commit([proposal])
    assert session.tick == 1


def test_a_world_without_predictor_or_calibration_plays_and_says_what_it_lacks(tiny_world: World) -> None:
    rig = Rig(tiny_world, Modes(extrapolation=True, in_between=True))
    assert rig.handle.modes == Modes(False, False, False, False)
    speculation, extrapolation = rig.handle.notes
    assert "speculation" in speculation and "dreamcade train predictor" in speculation
    assert "extrapolation or in-between" in extrapolation and "dreamcade calibrate" in extrapolation
    for action in ACTIONS:
        rig.input(action)
        rig.draft(99)
        rig.tick()
        rig.draw()
        rig.check()
    assert dataclasses.asdict(rig.handle.tally) == dataclasses.asdict(Tally(computed=len(ACTIONS)))
    with pytest.raises(BadInputError, match="not calibrated"):
        rig.engine.extrapolate(rig.session, ACTIONS[0])
