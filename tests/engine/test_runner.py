"""A real loop around a real (tiny) engine."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch

from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.core.types import FrameKind, FrameTiming, Pixels
from dreamcade.engine import EncodedFrame, Engine, GameLoop
from dreamcade.engine.modes import Modes
from dreamcade.engine.proposal import Dreamed, Proposal
from dreamcade.world import World

PERIOD = 1 / 50


class Screen:
    """A sink that keeps what it was shown."""

    def __init__(self) -> None:
        self.frames: list[EncodedFrame] = []
        self.times: list[float] = []
        self.changed = threading.Condition()

    def __call__(self, frame: EncodedFrame) -> None:
        with self.changed:
            self.frames.append(frame)
            self.times.append(time.perf_counter())
            self.changed.notify_all()

    def wait(self, enough: Callable[[], bool], timeout: float = 20.0) -> None:
        with self.changed:
            assert self.changed.wait_for(enough, timeout), f"only {[f.tick for f in self.frames]}"

    def wait_frames(self, count: int) -> None:
        self.wait(lambda: len(self.frames) >= count)


def raw(pixels: Pixels) -> bytes:
    return pixels.tobytes()


@pytest.fixture
def engine(tiny_world: World) -> Engine:
    return Engine(tiny_world, device="cpu", dtype=torch.float32)


@pytest.fixture
def loop(engine: Engine) -> Iterator[GameLoop]:
    engine.open_session().step([0, 0])  # the first pass of a model is slow
    loop = GameLoop(engine, raw)
    loop.start()
    yield loop
    loop.stop()


def test_frames_come_at_the_tick_rate(engine: Engine, loop: GameLoop) -> None:
    screen = Screen()
    loop.attach(engine.open_session(seed=1), screen)
    screen.wait_frames(41)
    assert screen.frames[0].tick == 0
    spent, ticks = screen.times[40] - screen.times[1], screen.frames[40].tick - screen.frames[1].tick
    assert spent >= (ticks - 1.5) * PERIOD, "faster than the world's clock"
    skipped = screen.frames[40].late
    assert ticks + skipped >= 39
    if not skipped:  # a busy machine may be late; then `late` says so
        assert spent == pytest.approx(39 * PERIOD, rel=0.2)
        assert screen.frames[40].fps == pytest.approx(50, rel=0.2)
    timing = screen.frames[40].timing
    assert timing.dynamics_ms > 0
    assert timing.decode_ms > 0
    assert timing.encode_ms > 0


def test_played_frames_are_the_engines_frames(engine: Engine, loop: GameLoop) -> None:
    screen = Screen()
    handle = loop.attach(engine.open_session(seed=7), screen)
    screen.wait_frames(8)
    handle.pause()
    alone = engine.open_session(seed=7)
    frames = {0: alone.frame.pixels.tobytes()}
    for tick in range(1, screen.frames[-1].tick + 1):
        frames[tick] = alone.step([0, 0]).pixels.tobytes()
    assert all(frame.data == frames[frame.tick] for frame in list(screen.frames) if frame.tick in frames)


def test_the_newest_input_is_used_and_echoed(engine: Engine, loop: GameLoop) -> None:
    screen = Screen()
    handle = loop.attach(engine.open_session(), screen)
    screen.wait_frames(2)
    assert screen.frames[-1].sequence == 0
    for sequence in (3, 5, 4):
        handle.input(np.array([sequence / 10, 0], np.float32), sequence, client_ms=1000.0 + sequence)
    screen.wait(lambda: screen.frames[-1].sequence == 5)
    first = next(f for f in screen.frames if f.sequence == 5)
    assert first.client_ms == 1005.0
    assert first.timing.wait_ms > 0
    screen.wait_frames(len(screen.frames) + 2)
    assert screen.frames[-1].sequence == 5
    assert screen.frames[-1].timing.wait_ms == 0
    assert 4 not in {f.sequence for f in screen.frames}


def test_bad_input_is_refused_at_once(engine: Engine, loop: GameLoop) -> None:
    handle = loop.attach(engine.open_session(), Screen())
    with pytest.raises(BadInputError, match="finite"):
        handle.input(np.array([np.nan, 0], np.float32), 1, 0.0)
    with pytest.raises(UnknownNameError, match="did you mean 'right'"):
        handle.reset(start="righ")
    with pytest.raises(BadInputError, match="seed"):
        handle.reset(seed=-1)


def test_pause_and_resume(engine: Engine, loop: GameLoop) -> None:
    screen = Screen()
    session = engine.open_session()
    handle = loop.attach(session, screen)
    screen.wait_frames(4)
    handle.pause()
    time.sleep(3 * PERIOD)
    stopped, shown = session.tick, len(screen.frames)
    time.sleep(10 * PERIOD)
    assert session.tick == stopped
    assert len(screen.frames) == shown
    late = screen.frames[-1].late
    handle.resume()
    screen.wait_frames(shown + 2)
    assert screen.frames[shown].tick == stopped + 1
    assert screen.frames[shown].late == late, "a pause is not lateness"


def test_reset_between_ticks_even_while_paused(engine: Engine, loop: GameLoop) -> None:
    screen = Screen()
    session = engine.open_session(seed=1)
    handle = loop.attach(session, screen)
    screen.wait(lambda: screen.frames[-1:] != [] and screen.frames[-1].tick >= 4)
    handle.pause()
    time.sleep(3 * PERIOD)
    handle.reset(seed=2, start="right")
    screen.wait(lambda: screen.frames[-1].tick == 0)
    assert session.seed == 2
    assert screen.frames[-1].data == engine.open_session(start="right").frame.pixels.tobytes()
    handle.resume()
    screen.wait(lambda: screen.frames[-1].tick >= 3)


def test_after_detach_the_sink_is_left_alone(engine: Engine, loop: GameLoop) -> None:
    screen, other = Screen(), Screen()
    session = engine.open_session()
    handle = loop.attach(session, screen)
    loop.attach(engine.open_session(), other)
    screen.wait_frames(3)
    handle.detach()
    shown, seen = len(screen.frames), len(other.frames)
    session.close()
    other.wait_frames(seen + 5)
    assert len(screen.frames) == shown
    handle.detach()
    assert handle.error is None


def test_a_sink_may_detach_itself(engine: Engine, loop: GameLoop) -> None:
    frames: list[int] = []
    done = threading.Event()

    def once(frame: EncodedFrame) -> None:
        frames.append(frame.tick)
        handle.detach()
        done.set()

    handle = loop.attach(engine.open_session(), lambda frame: once(frame))
    assert done.wait(10)
    time.sleep(4 * PERIOD)
    assert len(frames) == 1


def test_two_players_are_one_batch_with_own_inputs(engine: Engine, loop: GameLoop) -> None:
    screens = [Screen(), Screen()]
    handles = [loop.attach(engine.open_session(seed=3), screen) for screen in screens]
    handles[0].input(np.array([1, 0], np.float32), 1, 0.0)
    handles[1].input(np.array([-1, 1], np.float32), 1, 0.0)
    for screen in screens:
        screen.wait(lambda s=screen: len(s.frames) >= 6 and s.frames[-1].sequence == 1)
    assert screens[0].frames[-1].data != screens[1].frames[-1].data


@pytest.mark.parametrize("when", ["closed session", "sink", "encoder"])
def test_one_failure_does_not_end_the_others(engine: Engine, when: str) -> None:
    broken_size = threading.Event()

    def encode(pixels: Pixels) -> bytes:
        if when == "encoder" and threading.current_thread().name == "dreamcade-drawing" and broken_size.is_set():
            broken_size.clear()
            raise OSError("encoder broke")
        return pixels.tobytes()

    def sink(frame: EncodedFrame) -> None:
        if when == "sink" and frame.tick > 2:
            raise OSError("sink broke")

    loop = GameLoop(engine, encode)
    loop.start()
    failed = threading.Event()
    errors: list[Exception] = []

    def on_error(error: Exception) -> None:
        errors.append(error)
        failed.set()

    healthy = Screen()
    session = engine.open_session()
    handle = loop.attach(session, sink, on_error)
    survivors = [loop.attach(engine.open_session(), healthy, on_error)]
    if when == "closed session":
        session.close()
    broken_size.set()
    assert failed.wait(10)
    ended = next(h for h in (handle, *survivors) if h.error is not None)
    assert ended.error is errors[0]
    assert len(errors) == 1
    if ended is handle:
        seen = len(healthy.frames)
        healthy.wait_frames(seen + 5)
    again = Screen()
    loop.attach(engine.open_session(), again)
    again.wait_frames(3)
    loop.stop()


def test_a_slow_encoder_drops_frames_instead_of_queueing(engine: Engine) -> None:
    def slow(pixels: Pixels) -> bytes:
        time.sleep(5 * PERIOD)
        return b""

    loop = GameLoop(engine, slow)
    loop.start()
    screen = Screen()
    session = engine.open_session()
    loop.attach(session, screen)
    screen.wait_frames(4)
    newest, seen = session.tick, screen.frames[-1].tick
    loop.stop()
    assert screen.frames[-1].late >= 6
    assert newest - seen <= 8, "frames were queued"


def test_an_idle_loop_uses_no_cpu(engine: Engine, loop: GameLoop) -> None:
    screen = Screen()
    handle = loop.attach(engine.open_session(), screen)
    screen.wait_frames(3)
    handle.pause()
    time.sleep(0.3)  # worker threads of the last pass go to sleep
    before = time.process_time()
    time.sleep(1.0)
    assert time.process_time() - before < 0.05


def test_stopping(engine: Engine) -> None:
    loop = GameLoop(engine, raw)
    loop.start()
    screen = Screen()
    session = engine.open_session()
    loop.attach(session, screen)
    screen.wait_frames(2)
    loop.stop()
    loop.stop()
    shown = len(screen.frames)
    time.sleep(3 * PERIOD)
    assert len(screen.frames) == shown
    assert session.step([0, 0]).tick == session.tick
    with pytest.raises(BadInputError, match="was stopped"):
        loop.attach(session, screen)


def test_a_loop_that_never_started_can_be_stopped(engine: Engine) -> None:
    loop = GameLoop(engine, raw)
    loop.stop()
    assert engine.open_session().step([0, 0]).tick == 1  # the engine still plays without it


def test_all_work_is_done_in_the_loops_threads(engine: Engine, loop: GameLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """More threads that compute would slow every frame down; `engine/home.py` says why."""
    threads: set[str] = set()
    real_step, real_decode = engine.passes.executor.sample, engine.passes.executor.draw

    def watch(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def watched(*arguments: object) -> torch.Tensor:
            threads.add(threading.current_thread().name)
            return function(*arguments)

        return watched

    monkeypatch.setattr(engine.passes.executor, "sample", watch(real_step))
    monkeypatch.setattr(engine.passes.executor, "draw", watch(real_decode))
    session = engine.open_session()
    session.step([0, 0])
    session.reset(seed=1)
    engine.restore_session(session.snapshot())
    assert threads == {"dreamcade-loop"}
    screen = Screen()
    loop.attach(session, screen)
    screen.wait_frames(3)
    assert threads == {"dreamcade-loop", "dreamcade-drawing"}


def test_one_frame_is_drawn_while_the_next_is_dreamed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing the first frame waits until the dynamics have begun the one after."""
    dreaming, real_step, ticks = threading.Event(), engine.passes.executor.sample, 0

    def step(*arguments: object) -> torch.Tensor:
        nonlocal ticks
        ticks += 1
        if ticks == 2:
            dreaming.set()
        return real_step(*arguments)

    monkeypatch.setattr(engine.passes.executor, "sample", step)
    beside: list[bool] = []

    def encode(pixels: Pixels) -> bytes:
        if ticks:
            beside.append(dreaming.wait(5))
        return b""

    loop = GameLoop(engine, encode)
    loop.start()
    screen = Screen()
    loop.attach(engine.open_session(), screen)
    screen.wait_frames(3)
    loop.stop()
    assert all(beside)


def test_unpaced_every_frame_is_shown(engine: Engine) -> None:
    """Without a clock no frame is left out, however slow the encoder, and none is older than the one in its making."""

    def slow(pixels: Pixels) -> bytes:
        time.sleep(PERIOD)
        return pixels.tobytes()

    engine.open_session().step([0, 0])
    loop = GameLoop(engine, slow, paced=False)
    loop.start()
    screen = Screen()
    session = engine.open_session(seed=3)
    handle = loop.attach(session, screen)
    screen.wait_frames(12)
    assert session.tick - screen.frames[-1].tick <= 3
    handle.detach()
    loop.stop()
    assert [f.tick for f in screen.frames] == list(range(len(screen.frames)))
    assert screen.frames[-1].late == 0
    alone = engine.open_session(seed=3)
    assert alone.step([0, 0]).pixels.tobytes() == screen.frames[1].data


def test_an_engine_plays_in_one_loop(engine: Engine, loop: GameLoop) -> None:
    with pytest.raises(BadInputError, match="already plays in a game loop"):
        GameLoop(engine, raw).start()
    loop.stop()
    other = GameLoop(engine, raw)
    other.start()
    other.stop()


@pytest.mark.parametrize("pipeline", [True, False])
def test_with_everything_on_the_world_is_what_is_shown(
    swift_world: World, pipeline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads, drafts, extrapolation: what was taken, replayed plainly, gives the frames that were shown."""
    engine = Engine(swift_world, device="cpu", dtype=torch.float32)
    taken: list[Proposal] = []
    commit = engine.passes.commit

    def watched(proposals: Sequence[Proposal]) -> list[Dreamed]:
        taken.extend(proposals)
        return commit(proposals)

    monkeypatch.setattr(engine.passes, "commit", watched)
    engine.open_session().step([0, 0])
    loop, screen = GameLoop(engine, raw, pipeline=pipeline), Screen()
    loop.start()
    taken.clear()
    handle = loop.attach(engine.open_session(seed=4), screen, modes=Modes(extrapolation=True, in_between=True))
    rng = np.random.default_rng(0)
    for sequence in range(60):
        handle.input([float(rng.choice([-1, 0, 1])), float(rng.integers(2))], sequence + 1, 0.0)
        time.sleep(float(rng.uniform(0, 0.03)))
    screen.wait_frames(20)
    loop.stop()
    twin_engine = Engine(swift_world, device="cpu", dtype=torch.float32)
    twin = twin_engine.open_session(seed=4)
    right = {0: twin.frame.pixels}
    for proposal in taken:
        extrapolated = proposal.dreamed.kind is FrameKind.EXTRAPOLATED
        again = twin_engine.extrapolate(twin, proposal.action) if extrapolated else None
        twin_engine.commit([again] if again else twin_engine.propose([(twin, proposal.action)]))
        right[twin.tick] = twin.frame.pixels
    shown = [frame for frame in screen.frames if frame.timing.kind is not FrameKind.IN_BETWEEN]
    ticks = [frame.tick for frame in shown]
    assert ticks == sorted(set(ticks)), "no frame twice, none after a newer one"
    for frame in shown:
        pixels = np.frombuffer(frame.data, np.uint8).reshape(right[0].shape)
        assert np.abs(pixels.astype(int) - right[frame.tick]).max() <= 1  # batches of other sizes round otherwise
    sequences = [frame.sequence for frame in shown]
    assert sequences == sorted(sequences)
    tally = handle.tally
    assert tally.computed + tally.extrapolated == len(taken)
    assert tally.extrapolated > 0


def test_a_new_input_may_pull_its_tick_forward_but_the_rate_stays(engine: Engine, loop: GameLoop) -> None:
    screen = Screen()
    handle = loop.attach(engine.open_session(seed=1), screen)
    screen.wait_frames(3)
    began, first = time.perf_counter(), screen.frames[-1].tick
    sequence = 0
    while time.perf_counter() - began < 1.0:
        sequence += 1
        handle.input([float(sequence % 2), 0], sequence, 0.0)
        time.sleep(0.002)
    spent = time.perf_counter() - began
    ticks = screen.frames[-1].tick - first
    assert ticks <= spent / PERIOD + 1.5, "more ticks than the world has"


def test_steady_play_asks_the_system_for_no_memory(engine: Engine, loop: GameLoop) -> None:
    """What a frame needs is there from the frame before: no new pages, tick after tick."""
    screen = Screen()
    loop.attach(engine.open_session(seed=1), screen)
    screen.wait_frames(30)
    counts = []
    for wanted in (60, 90, 120):
        screen.frames[:] = [EncodedFrame(b"", 0, 0, 0.0, FrameTiming(), 0, 0.0)] * len(screen.frames)  # keeps nothing
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        screen.wait_frames(wanted)
        counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert min(counts) < 60, f"pages touched for the first time in 30 frames: {counts}"


def test_a_session_that_is_closed_while_drafts_are_made_ends_its_play_alone(swift_world: World) -> None:
    engine = Engine(swift_world, device="cpu", dtype=torch.float32)
    engine.open_session().step([0, 0])
    loop, screens, failures = GameLoop(engine, raw), [Screen(), Screen()], list[Exception]()
    loop.start()
    modes = Modes(extrapolation=True, in_between=True)
    sessions = [engine.open_session(seed=seed) for seed in (1, 2)]
    handles = [
        loop.attach(session, screen, failures.append, modes=modes)
        for session, screen in zip(sessions, screens, strict=True)
    ]
    screens[1].wait_frames(8)
    sessions[0].close()
    screens[1].wait_frames(len(screens[1].frames) + 20)
    loop.stop()
    assert handles[0].error is not None and "closed" in str(failures[0]) and len(failures) == 1
    assert handles[1].error is None
