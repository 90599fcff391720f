"""An engine over several processes: the frames of one device, whoever is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from dreamcade.cluster.layout import Layout
from dreamcade.cluster.wire import PeerLostError
from dreamcade.core.types import FrameKind, Pixels
from dreamcade.engine import EncodedFrame, Engine, GameLoop, Session
from dreamcade.engine.executors.spread import SpreadExecutor
from dreamcade.engine.modes import Modes
from dreamcade.engine.proposal import Dreamed, Proposal
from dreamcade.world import World

NOTICED = 5.0
"""Seconds within which a loss must be noticed: 0.6 (tests/cluster/test_pulse.py), and what a busy machine adds."""


def one_device(world: World) -> Engine:
    return Engine(world, device="cpu", dtype=torch.float32, kernels="reference")


def spread(world: World, plan: Layout, replace: bool = False) -> Engine:
    devices = ["cpu"] * plan.pipeline_devices
    return Engine(world, devices=devices, plan=plan, dtype=torch.float32, kernels="reference", replace=replace)


def executor_of(engine: Engine) -> SpreadExecutor:
    assert isinstance(engine.passes.executor, SpreadExecutor)
    return engine.passes.executor


def pids(engine: Engine) -> list[int]:
    return [worker.host.pid for worker in executor_of(engine).workers if worker.host.pid is not None]


def wait_for(true: Callable[[], bool], seconds: float = 20.0) -> float:
    """How long it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() < began + seconds, "it never came"
        time.sleep(0.005)
    return time.monotonic() - began


def action(tick: int) -> list[float]:
    return [float(np.sin(tick / 7)), float(tick % 11 < 3)]


def expect_same(session: Session, twin: Session, ticks: int) -> None:
    for _ in range(ticks):
        got, right = session.step(action(session.tick)), twin.step(action(twin.tick))
        assert np.array_equal(got.pixels, right.pixels), session.tick


@pytest.fixture(scope="module")
def three(swift_world: World) -> Iterator[Engine]:
    """One process dreams, two draw, and lost ones are replaced."""
    with spread(swift_world, Layout(1, 2), replace=True) as engine:
        yield engine


@pytest.fixture
def played(three: Engine) -> Iterator[tuple[Engine, Session, Session]]:
    """Everybody is there."""
    wait_for(lambda: len(executor_of(three).workers) == 2 and three.lanes == 3)
    twin_engine = one_device(three.world)
    session = three.open_session(seed=3)
    yield three, session, twin_engine.open_session(seed=3)
    session.close()


def test_the_frames_are_those_of_one_device(played: tuple[Engine, Session, Session]) -> None:
    engine, session, twin = played
    assert engine.path == "PyTorch, float32 on 1+2 devices, round-robin"
    expect_same(session, twin, 100)
    restored = engine.restore_session(session.snapshot())
    expect_same(restored, twin, 20)
    restored.close()


def test_a_batch_goes_to_all_decoders(played: tuple[Engine, Session, Session]) -> None:
    engine, session, twin = played
    others = [engine.open_session(seed=seed) for seed in (4, 5)]
    frames = engine.step_many({one: [0.5, 0] for one in (session, *others)})
    right = twin.step([0.5, 0]).pixels
    assert np.abs(frames[session].pixels.astype(int) - right).max() <= 1, "batches of other sizes round otherwise"
    for other in others:
        other.close()


def test_unpaced_every_frame_is_shown_in_order(played: tuple[Engine, Session, Session]) -> None:
    engine, session, twin = played
    shown: list[EncodedFrame] = []
    loop = GameLoop(engine, lambda pixels: pixels.tobytes(), paced=False)
    loop.start()
    try:
        handle = loop.attach(session, shown.append)
        handle.input(np.array([0.5, 1], np.float32), 1, 0.0)
        wait_for(lambda: len(shown) > 300)
    finally:
        loop.stop()
    assert [frame.tick for frame in shown] == list(range(len(shown)))
    first = next(i for i, frame in enumerate(shown) if frame.sequence)
    assert shown[0].data == twin.frame.pixels.tobytes()
    for i, frame in enumerate(shown[1:], 1):
        assert frame.data == twin.step([0.5, 1] if i >= first else [0, 0]).pixels.tobytes(), i


def test_with_everything_on_the_world_is_what_is_shown(
    played: tuple[Engine, Session, Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drafts, extrapolation and frames in between, drawn on three lanes."""
    engine, session, twin = played
    twin_engine = twin.engine
    taken, commit, shown = list[Proposal](), engine.passes.commit, list[EncodedFrame]()

    def watched(proposals: Sequence[Proposal]) -> list[Dreamed]:
        taken.extend(proposals)
        return commit(proposals)

    monkeypatch.setattr(engine.passes, "commit", watched)
    loop = GameLoop(engine, lambda pixels: pixels.tobytes())
    loop.start()
    try:
        modes = Modes(extrapolation=True, in_between=True)
        handle = loop.attach(session, shown.append, modes=modes)
        rng = np.random.default_rng(0)
        for sequence in range(150):
            steer, jump = float(rng.choice([-1, 0, 1])), float(rng.integers(2))
            handle.input(np.array([steer, jump], np.float32), sequence + 1, 0.0)
            time.sleep(float(rng.uniform(0, 0.03)))
        wait_for(lambda: len(shown) > 60)
    finally:
        loop.stop()
    assert handle.error is None
    drawn, replayed = {0: twin.frame.pixels}, {0: twin.frame.pixels}
    for proposal in taken:
        extrapolated = proposal.dreamed.kind is FrameKind.EXTRAPOLATED
        again = twin_engine.extrapolate(twin, proposal.action) if extrapolated else None
        twin_engine.commit([again] if again else twin_engine.propose([(twin, proposal.action)]))
        replayed[twin.tick] = twin.frame.pixels
        drawn[twin.tick] = twin_engine.draw([proposal.dreamed])[0].pixels
    frames = [frame for frame in shown if frame.timing.kind is not FrameKind.IN_BETWEEN]
    ticks = [frame.tick for frame in frames]
    assert ticks == sorted(set(ticks)), "no frame twice, none after a newer one"
    for frame in frames:
        pixels = np.frombuffer(frame.data, np.uint8).reshape(drawn[0].shape)
        assert np.array_equal(pixels, drawn[frame.tick]), "drawn as one device draws it"
        assert np.abs(pixels.astype(int) - replayed[frame.tick]).max() <= 1  # passes of other sizes round otherwise
    assert handle.tally.extrapolated > 0


def test_decoders_are_lost_in_the_middle_of_play(played: tuple[Engine, Session, Session]) -> None:
    """One is killed, then the other stopped: noticed within a second; no tick is left out or shown twice, and the
    frames are those of one device."""
    engine, session, twin = played
    victims, notices, shown = pids(engine), list[str](), list[tuple[float, EncodedFrame]]()
    loop = GameLoop(engine, slowly, paced=False)
    loop.start()
    try:
        handle = loop.attach(session, lambda frame: shown.append((time.monotonic(), frame)), on_notice=notices.append)
        wait_for(lambda: len(shown) > 20)
        for pid, how, left in zip(victims, (signal.SIGKILL, signal.SIGSTOP), ("2 devices", "one device"), strict=True):
            os.kill(pid, how)
            says = f"A device was lost; the dream goes on with {left}."
            assert wait_for(lambda says=says: says in notices) < NOTICED  # type: ignore[misc]
        seen = len(shown)
        wait_for(lambda: len(shown) > seen + 50)
        wait_for(lambda: "All devices are back." in notices)
        seen = len(shown)
        wait_for(lambda: len(shown) > seen + 50)
    finally:
        loop.stop()
    assert handle.error is None
    assert [frame.tick for _, frame in shown] == list(range(len(shown)))
    assert max(np.diff([moment for moment, _ in shown])) < NOTICED, "play went on"
    for _, frame in shown[1:]:
        assert frame.data == twin.step([0, 0]).pixels.tobytes(), frame.tick
    assert not [pid for pid in victims if Path(f"/proc/{pid}").exists()], "they were killed for good"


def slowly(pixels: Pixels) -> bytes:
    """An encoder that makes a hundred frames a second on three lanes: the twin has to make all of them again."""
    time.sleep(0.03)
    return pixels.tobytes()


def test_a_full_pipe_and_a_command_that_hangs(played: tuple[Engine, Session, Session]) -> None:
    """Who was stopped takes no more than a pipe holds; who hangs gives signs of life and no answer. Both are lost."""
    engine, session, twin = played
    stopped, hanging = executor_of(engine).workers
    assert stopped.host.pid is not None
    stuck = hanging.ask("hang", {"seconds": 60}, seconds=0.6)
    os.kill(stopped.host.pid, signal.SIGSTOP)
    large = stopped.ask("draw", parts=[bytes(64 << 20)], seconds=60)
    with pytest.raises(PeerLostError, match="is lost"):
        large.result(NOTICED)
    with pytest.raises(PeerLostError, match=r"has not answered for 0\.6 s"):
        stuck.result(NOTICED)
    expect_same(session, twin, 20)


def test_who_is_silent_is_lost_though_nothing_was_asked(played: tuple[Engine, Session, Session]) -> None:
    engine, session, twin = played
    stopped = executor_of(engine).workers[-1]
    assert stopped.host.pid is not None
    os.kill(stopped.host.pid, signal.SIGSTOP)
    wait_for(lambda: stopped not in executor_of(engine).workers, NOTICED)
    expect_same(session, twin, 5)
