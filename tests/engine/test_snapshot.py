"""Restored = never stopped, bit for bit; and bytes that are no snapshot of this world are refused."""

from __future__ import annotations

import copy
import dataclasses
import struct
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamcade.core.errors import BadInputError, DreamcadeError, WorldError
from dreamcade.engine import Engine, Session
from dreamcade.engine.snapshot import SNAPSHOT_VERSION, Snapshot, pack, unpack
from dreamcade.world import World

Play = Callable[..., tuple[np.ndarray, np.ndarray]]


def play(session: Session, steps: int) -> np.ndarray:
    return np.stack([session.step([np.cos(session.tick), session.tick % 2]).pixels for _ in range(steps)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("steps", [0, 1, 3, 11])
def test_restored_is_never_stopped(tiny_world: World, dtype: torch.dtype, steps: int) -> None:
    engine = Engine(tiny_world, device="cpu", dtype=dtype)
    session = engine.open_session(seed=8, start="right")
    if steps:
        play(session, steps)
    state = session.snapshot()
    elsewhere = Engine(tiny_world, device="cpu", dtype=dtype)
    elsewhere.open_session(seed=1)  # another row than the one that it was taken in
    for restored in (engine.restore_session(state), elsewhere.restore_session(state)):
        assert restored.tick == steps
        assert restored.seed == 8
        np.testing.assert_array_equal(restored.frame.pixels, session.frame.pixels)
    expected = play(session, 10)
    for restored in (engine.restore_session(state), elsewhere.restore_session(state)):
        np.testing.assert_array_equal(play(restored, 10), expected)
        restored.reset()
        np.testing.assert_array_equal(play(restored, 3), play(engine.open_session(seed=8, start="right"), 3))


def test_taking_one_does_not_disturb(tiny_world: World) -> None:
    engine = Engine(tiny_world, device="cpu")
    ours, theirs = engine.open_session(seed=2), engine.open_session(seed=2)
    for _ in range(3):
        ours.snapshot()
        np.testing.assert_array_equal(play(ours, 2), play(theirs, 2))


def test_a_primed_session_remembers_its_beginning(tiny_world: World, toy_play: Play) -> None:
    engine = Engine(tiny_world, device="cpu")
    session = engine.open_session(seed=3, frames=toy_play(5)[0], actions=toy_play(5)[1])
    expected = play(session, 5)
    restored = engine.restore_session(session.snapshot())
    restored.reset()
    np.testing.assert_array_equal(play(restored, 5), expected)


def test_another_world_is_refused(tiny_world: World) -> None:
    state = Engine(tiny_world, device="cpu").open_session().snapshot()
    dynamics = copy.deepcopy(tiny_world.dynamics)
    with torch.no_grad():
        next(dynamics.parameters()).add_(0.01)
    rebuilt = World(tiny_world.manifest, tiny_world.codec, dynamics, tiny_world.starts)
    with pytest.raises(WorldError, match="snapshot of another build of world 'toy'"):
        Engine(rebuilt, device="cpu").restore_session(state)
    other = World(dataclasses.replace(tiny_world.manifest, name="other"), tiny_world.codec, dynamics, tiny_world.starts)
    with pytest.raises(WorldError, match="snapshot of world 'toy', not of 'other'"):
        Engine(other, device="cpu").restore_session(state)


def test_a_newer_version_is_refused(tiny_world: World) -> None:
    engine = Engine(tiny_world, device="cpu")
    state = bytearray(engine.open_session().snapshot())
    struct.pack_into("<H", state, 8, SNAPSHOT_VERSION + 1)
    with pytest.raises(BadInputError, match="is newer than this build reads"):
        engine.restore_session(bytes(state))


@pytest.mark.parametrize("state", [b"", b"DREAM", b"PK\x03\x04" + bytes(100), "text", None])
def test_what_is_no_snapshot(tiny_world: World, state: bytes) -> None:
    with pytest.raises(BadInputError, match="snapshot"):
        Engine(tiny_world, device="cpu").restore_session(state)


@pytest.fixture(scope="module")
def saved(tiny_world: World) -> tuple[Engine, bytes]:
    engine = Engine(tiny_world, device="cpu")
    return engine, engine.open_session().snapshot()


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_cut_or_changed_bytes_are_refused(saved: tuple[Engine, bytes], data: st.DataObject) -> None:
    engine, state = saved
    if data.draw(st.booleans()):
        damaged = state[: data.draw(st.integers(0, len(state) - 1))]
    else:
        position = data.draw(st.integers(0, len(state) - 1))
        flipped = state[position] ^ data.draw(st.integers(1, 255))
        damaged = state[:position] + bytes([flipped]) + state[position + 1 :]
    with pytest.raises(DreamcadeError):
        engine.restore_session(damaged)


def test_a_refused_snapshot_takes_no_row(tiny_world: World) -> None:
    engine = Engine(tiny_world, device="cpu")
    whole = unpack(engine.open_session().snapshot())
    tensors = {name: t for name, t in whole.tensors.items() if name != "state.keys"}
    state = pack(dataclasses.replace(whole, tensors=tensors))
    for _ in range(20):
        with pytest.raises(BadInputError, match="does not fit this build"):
            engine.restore_session(state)
    assert engine.passes.slots.capacity == 4


def test_round_trip_of_the_bytes() -> None:
    snapshot = Snapshot("w", "abc", 7, 2**62, None, {"x": torch.arange(5), "y": torch.ones(2, dtype=torch.bfloat16)})
    again = unpack(pack(snapshot))
    assert dataclasses.replace(again, tensors={}) == dataclasses.replace(snapshot, tensors={})
    assert all(torch.equal(again.tensors[name], snapshot.tensors[name]) for name in "xy")
