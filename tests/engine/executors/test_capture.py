"""What is captured makes the frames of what is not, bit for bit; on a CPU the same places are used without a graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dreamcade.core.types import Pixels
from dreamcade.dynamics.dynamics import Abandoned
from dreamcade.engine import Engine
from dreamcade.engine.executors.capture import Captured, CapturedExecutor
from dreamcade.engine.executors.eager import EagerExecutor
from dreamcade.world import World


def play(engine: Engine, sessions: int, ticks: int = 6) -> Pixels:
    """Frames `[ticks, sessions, H, W, 3]`, all sessions as one batch."""
    rng = np.random.default_rng(0)
    opened = [engine.open_session(seed=i) for i in range(sessions)]
    frames = []
    for _ in range(ticks):
        actions = {session: [float(rng.uniform(-1, 1)), float(rng.integers(2))] for session in opened}
        frames.append([frame.pixels for frame in engine.step_many(actions).values()])
    return np.array(frames)


def captured_engine(world: World, most_rows: int) -> Engine:
    engine = Engine(world, device="cpu", dtype=torch.float32)
    plain = engine.passes.executor
    assert isinstance(plain, EagerExecutor)
    engine.passes.executor = CapturedExecutor(plain, most_rows)
    return engine


@pytest.mark.parametrize("sessions", [1, 2, 4])
def test_bit_for_bit(tiny_world: World, sessions: int) -> None:
    """Four sessions are more than are captured here."""
    reference = play(Engine(tiny_world, device="cpu", dtype=torch.float32), sessions)
    np.testing.assert_array_equal(play(captured_engine(tiny_world, most_rows=2), sessions), reference)


def test_results_outlive_the_next_call() -> None:
    double = Captured(lambda x: x * 2, [torch.zeros(2)])
    first = double(torch.tensor([1.0, 2.0]))
    double(torch.tensor([5.0, 5.0]))
    assert first.tolist() == [2.0, 4.0]


def test_a_pass_that_nobody_wants_is_not_begun(tiny_world: World) -> None:
    engine = captured_engine(tiny_world, most_rows=2)
    session = engine.open_session()
    with pytest.raises(Abandoned):
        engine.propose([(session, np.zeros(2, np.float32))], lambda: False)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["racing", "platformer"])
def test_graphs_are_bit_exact(name: str) -> None:
    world = World.load(name)
    frames = []
    for kernels in ("auto", "reference"):
        engine = Engine(world, device="cuda", kernels=kernels)
        session = engine.open_session(seed=1)
        frames.append([session.step(world.controls.idle()).pixels for _ in range(20)])
    np.testing.assert_array_equal(frames[0], frames[1])
