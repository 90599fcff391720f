from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.core.types import FrameKind
from dreamcade.engine import Engine, GameLoop, Session
from dreamcade.engine.journal import Entry, Journal, journal_length
from dreamcade.world import World

DTYPES = [torch.float32, torch.bfloat16]


def actions(seed: int = 0) -> itertools.chain[np.ndarray]:
    """Held for some ticks each, as hands do."""
    rng = np.random.default_rng(seed)
    held = (np.array([rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0]), rng.integers(2)], np.float32) for _ in range(1000))
    return itertools.chain.from_iterable(itertools.repeat(action, int(rng.integers(1, 5))) for action in held)


def kept(engine: Engine, seed: int = 5, start: str = "left") -> tuple[Session, Journal]:
    session = engine.open_session(seed=seed, start=start)
    session.keeper = Journal(seed, start, journal_length(engine.world.dynamics.config))
    return session, session.keeper


def assert_same(one: Session, other: Session) -> None:
    """In everything that the next frame follows from."""
    assert (one.tick, one.skips, one.seed) == (other.tick, other.skips, other.seed)
    mine, yours = one.engine.read_row(one.row), other.engine.read_row(other.row)
    assert mine.keys() == yours.keys()
    for name, tensor in mine.items():
        assert torch.equal(tensor, yours[name]), name


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("ticks", range(12))
def test_resumed_is_never_stopped(tiny_world: World, ticks: int, dtype: torch.dtype) -> None:
    """At every offset: before a memory is full, when it is, and when its slots are used again."""
    engine, elsewhere = Engine(tiny_world, "cpu", dtype=dtype), Engine(tiny_world, "cpu", dtype=dtype)
    session, journal = kept(engine)
    hand = actions(ticks)
    for action in itertools.islice(hand, ticks):
        session.step(action)
    elsewhere.open_session()  # so that it gets another row
    resumed = elsewhere.resume_session(journal)
    assert_same(session, resumed)
    assert np.array_equal(session.frame.pixels, resumed.frame.pixels)
    for action in itertools.islice(hand, 6):
        assert np.array_equal(session.step(action).pixels, resumed.step(action).pixels)
    assert_same(session, resumed)


def test_a_resumed_session_is_resumed_again(tiny_world: World) -> None:
    """Its journal goes on where it was, by way of a connection."""
    engine = Engine(tiny_world, "cpu")
    session, journal = kept(engine)
    resumed, hand = session, actions()
    for _ in range(9):
        for action in itertools.islice(hand, 2):
            session.step(action)
            if resumed is not session:
                resumed.step(action)
        assert_same(session, resumed)
        fields, parts = (journal if resumed is session else resumed.keeper).pack()  # type: ignore[union-attr]
        again = Journal.unpack(fields, parts)
        resumed = Engine(tiny_world, "cpu").resume_session(again)
        resumed.keeper = again


def test_a_reset_begins_a_journal_anew(tiny_world: World) -> None:
    engine = Engine(tiny_world, "cpu")
    session, journal = kept(engine)
    hand = actions()
    for _ in range(11):
        session.step(next(hand))
    session.reset(seed=9, start="right")
    assert (journal.tick, journal.seed, journal.start) == (0, 9, "right")
    assert_same(session, engine.resume_session(journal))
    for _ in range(3):
        session.step(next(hand))
    resumed = engine.resume_session(journal)
    assert_same(session, resumed)
    session.reset()
    resumed.reset()
    assert_same(session, resumed)


def test_in_a_batch_and_with_extrapolated_ticks(swift_world: World) -> None:
    """What others do in the same pass shows nowhere, and a skip counts on the other side too."""
    engine = Engine(swift_world, "cpu")
    sessions = [kept(engine, seed) for seed in range(3)]
    hands, kinds = [actions(seed) for seed in range(3)], set()
    for tick in range(24):
        asked = [(session, engine.snap(next(hand))) for (session, _), hand in zip(sessions, hands, strict=True)]
        calm = [engine.calm(session, action) for session, action in asked]
        computed = iter(engine.propose([one for one, skips in zip(asked, calm, strict=True) if not skips]))
        proposals = [
            engine.extrapolate(*one) if skips else next(computed) for one, skips in zip(asked, calm, strict=True)
        ]
        kinds |= {proposal.dreamed.kind for proposal in proposals}
        engine.commit(proposals)
        for session, journal in sessions[: 1 + tick % 3]:
            resumed = engine.resume_session(journal)
            assert_same(session, resumed)
            resumed.close()
    assert kinds == {FrameKind.COMPUTED, FrameKind.EXTRAPOLATED}


def test_kept_by_a_game_loop(swift_world: World) -> None:
    """With drafts, which commit what was proposed before."""
    engine = Engine(swift_world, "cpu")
    session, journal = kept(engine)
    loop = GameLoop(engine, encode=lambda pixels: pixels.tobytes())
    loop.start()
    handle = loop.attach(session, lambda frame: None)
    try:
        for number, action in enumerate(itertools.islice(actions(), 30), 1):
            handle.input(action, number, 0.0)
            wait_for_tick(session, session.tick + 1)
    finally:
        loop.stop()
    assert handle.error is None
    assert journal.tick == session.tick >= 30
    assert_same(session, engine.resume_session(journal))


def wait_for_tick(session: Session, tick: int) -> None:
    end = time.monotonic() + 5
    while session.tick < tick and time.monotonic() < end:
        time.sleep(0.002)


def test_a_shipped_world() -> None:
    world = World.load("racing")
    engine = Engine(world, "cpu", kernels="reference")
    session = engine.open_session(seed=3)
    journal = session.keeper = Journal(3, world.start(None).name, journal_length(world.dynamics.config))
    for tick in range(10):
        session.step({"steer": -0.5 if tick % 4 else 0.25, "gas": 1.0})
    resumed = engine.resume_session(journal)
    assert_same(session, resumed)
    assert np.array_equal(session.step({"gas": 1.0}).pixels, resumed.step({"gas": 1.0}).pixels)
    assert sum(map(len, journal.pack()[1])) == 8 * 54 * 64 * 4 // (2 if engine.dtype == torch.bfloat16 else 1)


Change = Callable[[Journal], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda j: j.begin(1, None), "needs the name of the start"),
        (lambda j: j.begin(1, "nowhere"), "unknown start"),
        (lambda j: j._entries.popleft(), "a journal of 4 ticks is needed to go on at tick 6; it has 3"),
        (lambda j: j.add(Entry(7, np.zeros(2, np.float32), b"123", "float32")), "tokens must be"),
        (
            lambda j: j.add(Entry(7, np.zeros(3, np.float32), j.entries[-1].tokens, j.entries[-1].dtype)),
            r"must be \[2\]",
        ),
        (lambda j: j.add(Entry(9, np.zeros(2, np.float32), b"", "float32")), "tick 7 comes next"),
    ],
)
def test_what_cannot_be_resumed_is_refused_and_takes_no_row(tiny_world: World, change: Change, message: str) -> None:
    engine = Engine(tiny_world, "cpu")
    session, journal = kept(engine)
    for action in itertools.islice(actions(), 6):
        session.step(action)
    free = len(engine.passes.slots._free)
    with pytest.raises((BadInputError, UnknownNameError), match=message):
        refuse(engine, journal, change)
    assert len(engine.passes.slots._free) == free


def refuse(engine: Engine, journal: Journal, change: Change) -> None:
    change(journal)
    engine.resume_session(journal)


def test_noise_is_no_journal() -> None:
    for fields in ({}, {"seed": 1, "start": None, "length": 4, "ticks": [[1]]}, {"seed": "x"}):
        with pytest.raises(BadInputError, match="no journal"):
            Journal.unpack(fields, [b""])
    with pytest.raises(BadInputError, match="at least 1"):
        Journal(0, "left", 0)
