"""Batched = alone, same seed = same frames, and every mistake is named before anything changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dreamcade.core.errors import BadInputError
from dreamcade.engine import Engine, Session
from dreamcade.world import World


@pytest.fixture
def engine(tiny_world: World) -> Engine:
    return Engine(tiny_world, device="cpu", dtype=torch.float32)


def play(session: Session, steps: int, seed: int = 0) -> np.ndarray:
    """Pixels `[steps, H, W, 3]` under random actions."""
    rng = np.random.default_rng(seed)
    actions = [{"steer": rng.uniform(-1, 1), "jump": bool(rng.integers(2))} for _ in range(steps)]
    return np.stack([session.step(action).pixels for action in actions])


def test_frames_look_as_promised(engine: Engine) -> None:
    session = engine.open_session(seed=1)
    assert session.frame.tick == session.tick == 0
    frame = session.step({"steer": -1.0})
    assert frame.pixels.shape == (32, 48, 3)
    assert frame.pixels.dtype == np.uint8
    assert frame.tick == session.tick == 1
    assert session.frame is frame
    assert frame.timing.dynamics_ms > 0
    assert frame.timing.decode_ms > 0


def test_the_world_reacts(engine: Engine) -> None:
    """Otherwise the parity tests below would prove nothing."""
    sessions = [engine.open_session(seed=seed) for seed in (0, 0, 1)]
    for _ in range(5):
        frames = [s.step(a).pixels for s, a in zip(sessions, ([-1, 0], [1, 1], [-1, 0]), strict=True)]
    assert (frames[0] != frames[1]).any()
    assert (frames[0] != frames[2]).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_same_seed_same_frames(tiny_world: World, dtype: torch.dtype) -> None:
    engines = [Engine(tiny_world, device="cpu", dtype=dtype) for _ in range(2)]
    first, again = (play(e.open_session(seed=5), 12) for e in engines)
    np.testing.assert_array_equal(first, again)
    assert (play(engines[0].open_session(seed=6), 12) != first).any()


def test_neighbours_do_not_matter(engine: Engine) -> None:
    """Rows of one state: what others do, and which row it is, must not show."""
    alone = play(engine.open_session(seed=3), 8)
    others = [engine.open_session(seed=s, start=s % 2) for s in range(5)]
    session = engine.open_session(seed=3)
    for _ in range(2):
        for other in others:
            other.step([0.3, 1])
    np.testing.assert_array_equal(play(session, 8), alone)


def test_batched_is_alone(tiny_world: World) -> None:
    """In float32 a batch makes the frames that each session makes alone, up to one rounding of a pixel.

    A few frames are enough: random weights blow any difference up, whatever made it.
    """
    together, apart = (Engine(tiny_world, device="cpu", dtype=torch.float32) for _ in range(2))
    pairs = [(together.open_session(seed=s, start=s % 2), apart.open_session(seed=s, start=s % 2)) for s in range(6)]
    rng = np.random.default_rng(0)
    for _ in range(6):
        actions = [np.array([rng.uniform(-1, 1), rng.integers(2)], np.float32) for _ in pairs]
        frames = together.step_many({b: action for (b, _), action in zip(pairs, actions, strict=True)})
        for (batched, alone), action in zip(pairs, actions, strict=True):
            difference = frames[batched].pixels.astype(int) - alone.step(action).pixels
            assert np.abs(difference).max() <= 1
    for batched, alone in pairs:
        ours, theirs = together.read_row(batched.row), apart.read_row(alone.row)
        for name in ours:
            torch.testing.assert_close(ours[name], theirs[name], atol=1e-4, rtol=1e-4)


def test_more_sessions_than_rows(engine: Engine) -> None:
    """The state grows under running sessions without their noticing."""
    early = engine.open_session(seed=9)
    expected = play(Engine(engine.world, device="cpu", dtype=torch.float32).open_session(seed=9), 10)
    first = play(early, 5)
    crowd = [engine.open_session(seed=s) for s in range(20)]
    rows = {s.row for s in crowd} | {early.row}
    assert len(rows) == 21
    np.testing.assert_array_equal(first, expected[:5])
    rng = np.random.default_rng(0)
    actions = [{"steer": rng.uniform(-1, 1), "jump": bool(rng.integers(2))} for _ in range(10)]
    for action, wanted in list(zip(actions, expected, strict=True))[5:]:
        np.testing.assert_array_equal(early.step(action).pixels, wanted)


def test_closing_gives_rows_back(engine: Engine) -> None:
    rows = set()
    for _ in range(30):
        session = engine.open_session()
        session.step([0, 0])
        rows.add(session.row)
        session.close()
        session.close()
    assert len(rows) == 1


def test_step_many_of_nothing(engine: Engine) -> None:
    assert engine.step_many({}) == {}


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({"stear": 1.0}, "unknown control 'stear'; did you mean 'steer'"),
        ({"steer": float("nan")}, "finite"),
        ({"steer": 1.5}, r"in \[-1, 1\]; got 1.5"),
        ([0.0], r"shape \[2\]"),
        (np.array([0.0, np.inf]), "finite"),
        ("left", "must be 2 numbers"),
    ],
)
def test_bad_actions_change_nothing(engine: Engine, action: Any, message: str) -> None:
    session, other = engine.open_session(seed=2), engine.open_session(seed=2)
    with pytest.raises(BadInputError, match=message):
        engine.step_many({other: [0, 0], session: action})
    assert other.tick == session.tick == 0
    np.testing.assert_array_equal(play(session, 4), play(engine.open_session(seed=2), 4))


def test_closed_and_foreign_sessions(engine: Engine) -> None:
    session = engine.open_session()
    foreign = Engine(engine.world, device="cpu").open_session()
    with pytest.raises(BadInputError, match="belongs to another engine"):
        engine.step_many({foreign: [0, 0]})
    session.close()
    for use in (lambda: session.step([0, 0]), session.snapshot, session.reset):
        with pytest.raises(BadInputError, match="this session is closed"):
            use()


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True, None, 2**63])
def test_bad_seeds(engine: Engine, seed: Any) -> None:
    with pytest.raises(BadInputError, match="a seed must be a whole number"):
        engine.open_session(seed=seed)


def test_sampling_steps(tiny_world: World) -> None:
    one = Engine(tiny_world, device="cpu", sampling_steps=1)
    assert one.open_session().step([0, 0]).pixels.shape == (32, 48, 3)
    assert Engine(tiny_world, device="cpu").sampling_steps == 2
    with pytest.raises(BadInputError, match="at least 1"):
        Engine(tiny_world, device="cpu", sampling_steps=0)


def test_the_world_is_left_as_it_was(tiny_world: World) -> None:
    identity = World(tiny_world.manifest, tiny_world.codec, tiny_world.dynamics, tiny_world.starts).identity
    engine = Engine(tiny_world, device="cpu", dtype=torch.bfloat16)
    play(engine.open_session(), 3)
    assert {p.dtype for p in tiny_world.dynamics.parameters()} == {torch.float32}
    assert World(tiny_world.manifest, tiny_world.codec, tiny_world.dynamics, tiny_world.starts).identity == identity


def test_unknown_device(tiny_world: World) -> None:
    with pytest.raises(BadInputError, match="unknown device 'gpu'"):
        Engine(tiny_world, device="gpu")
