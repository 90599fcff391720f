"""Several players in one loop: each one's drafts are for what its own past makes likely, whatever others do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from random import Random

import numpy as np
import pytest
import torch

from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector
from dreamcade.engine import Engine, GameLoop, Handle, Session
from dreamcade.engine.expectations import LEAST_CHANCE
from dreamcade.engine.foresight import Foresight
from dreamcade.engine.modes import Modes
from dreamcade.world import World

BREADTH = 3


class Table:
    """Players of a loop that never starts, and by hand what the predictor should have heard of each."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.engine = Engine(world, device="cpu", dtype=torch.float32)
        self.errors = list[Exception]()
        self.sit_down_anew()
        self.sequence = 0

    def sit_down_anew(self) -> None:
        """In another loop."""
        self.loop = GameLoop(self.engine, lambda pixels: b"", pipeline=False)
        self.director = self.loop._director
        self.heard: dict[Handle, tuple[int, np.ndarray, list[ActionVector]]] = {}

    def attach(self, session: Session, modes: Modes | None = None) -> Handle:
        return self.loop.attach(session, lambda frame: None, self.errors.append, modes=modes)

    def tick(self, handles: list[Handle], random: Random) -> None:
        """They take a tick under some action."""
        began = {h: (h.session.version, self.engine.history(h.session)[1:]) for h in handles}
        for handle in handles:
            self.sequence += 1
            handle.input(
                np.array([random.choice((-1, -0.5, 0, 1)), random.choice((0, 1))], np.float32), self.sequence, 0
            )
        self.director.tick(handles, time.perf_counter())
        for handle, (version, history) in began.items():
            known, _, _ = before = self.heard.get(handle, (-1, history, []))
            _, history, told = before if known == version else (version, history, [])
            self.heard[handle] = handle.session.version, history, [*told, handle.used.action]

    def right(self, handle: Handle) -> list[list[float]]:
        """What a predictor that only ever knew this one names."""
        version, history, told = self.heard.get(handle, (-1, np.empty(0), []))
        if version != handle.session.version:
            return []
        alone = Foresight(self.engine.world.predictor)  # type: ignore[arg-type]
        alone.begin([0], history[None])
        for action in told:
            alone.tell([0], action[None])
        return [action.tolist() for action in alone.likeliest([0], BREADTH, LEAST_CHANCE)[0]]

    def guesses(self, handles: list[Handle]) -> list[tuple[Handle, ActionVector]]:
        return self.director._expectations.guesses({h: h.standing for h in handles}, BREADTH)

    def check(self, handles: list[Handle]) -> None:
        """All at once, and each by itself."""
        guesses = self.guesses(handles)
        for handle in handles:
            right = self.right(handle)
            assert [action.tolist() for h, action in guesses if h is handle] == right
            assert [action.tolist() for _, action in self.guesses([handle])] == right


@pytest.fixture
def table(swift_world: World) -> Iterator[Table]:
    made = Table(swift_world)
    yield made
    assert made.errors == []


def test_whoever_comes_goes_resets_or_is_restored(table: Table) -> None:
    random, engine = Random(0), table.engine
    handles = [table.attach(engine.open_session(seed=n)) for n in range(3)]
    for round in range(60):
        table.tick(random.sample(handles, random.randint(1, len(handles))), random)
        one = random.choice(handles)
        what = ("nothing", "nothing", "reset", "step", "leave", "come", "restore", "again")[round % 8]
        if what == "reset":
            one.session.reset(seed=round)
        elif what == "step":
            one.session.step([0.5, 1])
        elif what == "leave" and len(handles) > 2:
            one.detach()
            one.session.close()  # its row goes to the next one
            handles.remove(one)
        elif what == "come":
            handles.append(table.attach(engine.open_session(seed=round)))
        elif what == "restore":
            handles.append(table.attach(engine.restore_session(one.session.snapshot())))
        elif what == "again":  # the same session, another handle
            one.detach()
            handles[handles.index(one)] = table.attach(one.session)
        table.check(handles)
    assert len(handles) > 8


def test_in_another_loop_it_begins_with_the_history(table: Table) -> None:
    random = Random(1)
    first = [table.attach(table.engine.open_session(seed=n)) for n in range(5)]
    for _ in range(4):
        table.tick(first, random)
    table.loop.stop()
    table.sit_down_anew()
    second = [table.attach(handle.session) for handle in first]
    table.check(second)
    assert table.guesses(second) == []
    table.tick(second, random)
    table.check(second)
    assert table.guesses(second)


def test_who_wants_no_drafts_is_not_told_of_and_can_change_that(table: Table) -> None:
    random = Random(2)
    wanting, not_wanting = (
        table.attach(table.engine.open_session(seed=n), Modes(speculation=n == 0)) for n in range(2)
    )
    table.tick([wanting, not_wanting], random)
    assert wanting.course.known == wanting.session.version and not_wanting.course.known == -1
    table.heard.pop(not_wanting)
    not_wanting.set_modes(speculation=True)
    table.tick([wanting, not_wanting], random)
    table.check([wanting, not_wanting])


def test_one_that_cannot_be_told_of_does_not_keep_the_others(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(3)
    handles = [table.attach(table.engine.open_session(seed=n)) for n in range(3)]
    table.tick(handles, random)
    sick, history = handles[1], table.engine.history
    sick.session.reset()
    table.tick([handles[0]], random)

    def failing(session: Session) -> np.ndarray:
        if session is sick.session and session.tick:
            raise BadInputError("it has no history")
        return history(session)

    monkeypatch.setattr(table.engine, "history", failing)
    table.tick(handles, random)
    assert [str(error) for error in table.errors] == ["it has no history"] and not sick.attached
    table.errors.clear()
    table.check([handles[0], handles[2]])


def test_all_are_told_at_once(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    handles, random = [table.attach(table.engine.open_session(seed=n)) for n in range(6)], Random(4)
    table.tick(handles, random)
    told = list[int]()
    tell = Foresight.tell
    monkeypatch.setattr(
        Foresight, "tell", lambda self, rows, actions: told.append(len(rows)) or tell(self, rows, actions)
    )
    table.tick(handles, random)
    assert told == [6]
