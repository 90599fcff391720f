"""Compiled networks make the frames of the plain ones, whatever is asked of them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dreamcade.core.types import Pixels
from dreamcade.dynamics.dynamics import Abandoned
from dreamcade.engine import Engine
from dreamcade.evaluation.metrics import psnr
from dreamcade.world import World

if importlib.util.find_spec("openvino") is None:
    pytest.skip("OpenVINO is not installed", allow_module_level=True)

from dreamcade.engine.executors import openvino

pytestmark = pytest.mark.openvino


@pytest.fixture(scope="module")
def engine(tiny_world: World) -> Engine:
    return Engine(tiny_world, device="cpu", dtype=torch.float32, kernels="openvino")


def play(engine: Engine, ticks: int, seed: int = 0) -> Pixels:
    """Frames `[ticks, H, W, 3]` under actions that change now and then."""
    rng, session = np.random.default_rng(seed), engine.open_session(seed=seed)
    low, high = engine.world.controls.bounds()
    frames, action = [], engine.world.controls.idle()
    for tick in range(ticks):
        if tick % 5 == 0:
            action = rng.uniform(low, high).astype(np.float32)
            action[len(engine.world.controls.axes) :] = action[len(engine.world.controls.axes) :] > 0.5
        frames.append(session.step(action).pixels)
    session.close()
    return np.stack(frames)


def test_float32_is_float32(engine: Engine, tiny_world: World) -> None:
    plain = Engine(tiny_world, device="cpu", dtype=torch.float32, kernels="reference")
    assert engine.path == "OpenVINO, float32"
    assert plain.path == "PyTorch, float32"
    difference = play(engine, 30).astype(int) - play(plain, 30)
    assert np.abs(difference).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("racing", 45.0), ("platformer", 45.0)])
def test_shipped_worlds_look_the_same(name: str, least: float) -> None:
    """Ten ticks: in float32 within a shade of the reference, in bfloat16 far above any codec (30 to 37 dB)."""
    world = World.load(name)
    reference = play(Engine(world, device="cpu", dtype=torch.float32, kernels="reference"), 10)
    exact = play(Engine(world, device="cpu", dtype=torch.float32, kernels="openvino"), 10)
    assert np.abs(exact.astype(int) - reference).max() <= 1
    rounded = play(Engine(world, device="cpu", dtype=torch.bfloat16, kernels="openvino"), 10)
    assert min(psnr(a, b) for a, b in zip(rounded, reference, strict=True)) > least


def test_batched_is_alone(engine: Engine) -> None:
    """Bit for bit: rows are computed one after the other."""
    rng = np.random.default_rng(0)
    actions = [[(float(rng.uniform(-1, 1)), float(rng.integers(2))) for _ in range(3)] for _ in range(6)]
    alone = []
    for i in range(3):
        session = engine.open_session(seed=i)
        alone.append([session.step(row[i]).pixels for row in actions])
    sessions = [engine.open_session(seed=i) for i in range(3)]
    for tick, row in enumerate(actions):
        frames = engine.step_many(dict(zip(sessions, row, strict=True)))
        for i, session in enumerate(sessions):
            np.testing.assert_array_equal(frames[session].pixels, alone[i][tick])


def test_a_snapshot_continues_bit_for_bit(engine: Engine) -> None:
    session = engine.open_session(seed=4)
    for _ in range(5):
        session.step([0.5, 1])
    twin = engine.restore_session(session.snapshot())
    for _ in range(5):
        np.testing.assert_array_equal(session.step([-0.5, 0]).pixels, twin.step([-0.5, 0]).pixels)


def test_any_number_of_steps_and_threads(tiny_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for steps in (1, 3):
        frames = []
        for kernels in ("openvino", "reference"):
            engine = Engine(tiny_world, "cpu", sampling_steps=steps, dtype=torch.float32, kernels=kernels)
            frames.append(play(engine, 3))
            torch.set_num_threads(2)
            frames.append(play(engine, 3))
            torch.set_num_threads(1)
        for other in frames[1:]:
            assert np.abs(other.astype(int) - frames[0]).max() <= 1


def test_a_pass_is_given_up_in_its_middle(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next one is whole."""
    monkeypatch.setattr(openvino, "_LOOK_AGAIN", 0)  # a toy's pass is over before one would look otherwise
    session = engine.open_session(seed=2)
    action = np.array([0.5, 1], np.float32)
    [whole] = engine.propose([(session, action)])
    given_up = 0
    for _ in range(20):
        try:
            engine.propose([(session, action)], lambda: False)
        except Abandoned:
            given_up += 1
        [again] = engine.propose([(session, action)], lambda: True)
        assert torch.equal(again.tokens, whole.tokens)
    assert given_up > 0


def test_what_openvino_cannot_do_is_played_by_pytorch(
    tiny_world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(module: object) -> None:
        raise RuntimeError("No conversion rule found for operations: aten::unheard_of")

    monkeypatch.setattr(openvino, "convert", refuse)
    engine = Engine(tiny_world, device="cpu", dtype=torch.float32)
    assert engine.path == "PyTorch, float32"
    assert "aten::unheard_of" in caplog.text
    with pytest.raises(RuntimeError, match="unheard_of"):
        Engine(tiny_world, device="cpu", kernels="openvino")


def test_nobody_is_told(tmp_path: Path) -> None:
    """Importing OpenVINO reports that, and leaves an identity in the home folder, unless it is kept from it."""
    code = (
        "import dreamcade.engine.executors.openvino, sys; print([m for m in sys.modules if 'openvino_telemetry' in m])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | {"HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []
