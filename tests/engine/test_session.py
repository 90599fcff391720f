from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.engine import Engine, Session
from dreamcade.world import World

Play = Callable[..., tuple[np.ndarray, np.ndarray]]


@pytest.fixture
def engine(tiny_world: World) -> Engine:
    return Engine(tiny_world, device="cpu", dtype=torch.float32)


def play(session: Session, steps: int) -> np.ndarray:
    return np.stack([session.step([np.sin(session.tick), session.tick % 2]).pixels for _ in range(steps)])


def test_reset_plays_the_same_again(engine: Engine) -> None:
    session = engine.open_session(seed=4, start="right")
    first = play(session, 6)
    assert session.reset().tick == 0
    np.testing.assert_array_equal(play(session, 6), first)
    session.reset(seed=5)
    assert session.seed == 5
    assert (play(session, 6) != first).any()
    session.reset(seed=4, start="left")
    np.testing.assert_array_equal(play(session, 6), play(engine.open_session(seed=4, start="left"), 6))


def test_a_refused_reset_changes_nothing(engine: Engine) -> None:
    session, other = engine.open_session(seed=4), engine.open_session(seed=4)
    play(session, 3), play(other, 3)
    with pytest.raises(UnknownNameError):
        session.reset(start="nowhere")
    with pytest.raises(BadInputError):
        session.reset(seed=-3)
    np.testing.assert_array_equal(play(session, 3), play(other, 3))


def test_prime_is_opening_with_frames(engine: Engine, toy_play: Play) -> None:
    frames, actions = toy_play(9)
    opened = engine.open_session(seed=1, frames=frames, actions=actions)
    primed = engine.open_session(seed=1)
    play(primed, 5)
    assert primed.prime(frames, actions).tick == 0
    np.testing.assert_array_equal(primed.frame.pixels, opened.frame.pixels)
    np.testing.assert_array_equal(play(primed, 6), play(opened, 6))
    primed.reset()
    opened.reset()
    np.testing.assert_array_equal(play(primed, 6), play(opened, 6))


def test_priming_needs_an_open_session(engine: Engine, toy_play: Play) -> None:
    session = engine.open_session()
    session.close()
    with pytest.raises(BadInputError, match="closed"):
        session.prime(*toy_play(3))


def test_cost_does_not_grow(engine: Engine) -> None:
    """Memory of a session is constant: every buffer keeps its size and place over hundreds of frames."""
    session = engine.open_session()
    before = {name: (t.shape, t.data_ptr()) for name, t in engine.passes.slots.state.tensors().items()}
    play(session, 300)
    assert {name: (t.shape, t.data_ptr()) for name, t in engine.passes.slots.state.tensors().items()} == before
