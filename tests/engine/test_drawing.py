"""Pictures of several players, encoded several at once, behind a real loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import torch

from dreamcade.core.types import Pixels
from dreamcade.engine import EncodedFrame, Engine, GameLoop
from dreamcade.world import World

PLAYERS, THREADS = 5, 3


@pytest.fixture
def engine(tiny_world: World, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """With cores to spare, whatever this machine has."""
    monkeypatch.setattr(Engine, "encoding_threads", THREADS)
    engine = Engine(tiny_world, device="cpu", dtype=torch.float32)
    engine.open_session().step([0, 0])  # the first pass of a model is slow
    return engine


class Encoder:
    """Sleeps; counts how many are inside at once, and on which threads."""

    def __init__(self) -> None:
        self.inside = self.most = self.begun = 0
        self.break_one = False
        self._lock = threading.Lock()

    def __call__(self, pixels: Pixels) -> bytes:
        with self._lock:
            self.inside += 1
            self.begun += 1
            self.most = max(self.most, self.inside)
            broken, self.break_one = self.break_one, False
            number = self.begun
        time.sleep(0.002 * (1 + number % 3))
        with self._lock:
            self.inside -= 1
        if broken:
            raise OSError("one picture broke")
        return pixels.tobytes()


class Screens:
    """What every player was shown, and who was told of an error."""

    def __init__(self) -> None:
        self.shown: list[list[EncodedFrame]] = [[] for _ in range(PLAYERS)]
        self.errors: list[Exception] = []
        self.changed = threading.Condition()

    def sink(self, player: int) -> Callable[[EncodedFrame], None]:
        def show(frame: EncodedFrame) -> None:
            with self.changed:
                self.shown[player].append(frame)
                self.changed.notify_all()

        return show

    def fail(self, error: Exception) -> None:
        with self.changed:
            self.errors.append(error)
            self.changed.notify_all()

    def wait(self, enough: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(enough, 20.0), [len(frames) for frames in self.shown]


def encoding_threads() -> int:
    return sum(thread.name.startswith("dreamcade-encoding") for thread in threading.enumerate())


@pytest.fixture
def screens() -> Screens:
    return Screens()


@pytest.fixture
def encode() -> Encoder:
    return Encoder()


@pytest.fixture
def loop(engine: Engine, screens: Screens, encode: Encoder) -> Iterator[GameLoop]:
    loop = GameLoop(engine, encode)
    loop.start()
    for player in range(PLAYERS):
        loop.attach(engine.open_session(seed=player), screens.sink(player), screens.fail)
    yield loop
    loop.stop()


def test_pictures_of_a_batch_are_encoded_at_once_and_shown_in_order(
    engine: Engine, loop: GameLoop, screens: Screens, encode: Encoder
) -> None:
    screens.wait(lambda: min(map(len, screens.shown)) >= 10)
    loop.stop()
    assert encode.most == THREADS
    assert encoding_threads() == 0, "they end with the loop"
    twin = Engine(engine.world, device="cpu", dtype=torch.float32)
    for player, frames in enumerate(screens.shown):
        ticks = [frame.tick for frame in frames]
        assert ticks == sorted(set(ticks)), "a frame came after a newer one"
        assert all(frame.timing.encode_ms >= 2.0 for frame in frames)
        assert all(frame.timing.ready_ms >= frame.timing.encode_ms for frame in frames)
        own = twin.open_session(seed=player).frame.pixels.tobytes()
        assert frames[0].tick > 0 or frames[0].data == own, "another player's picture"


def test_a_picture_that_cannot_be_encoded_ends_one_play(loop: GameLoop, screens: Screens, encode: Encoder) -> None:
    screens.wait(lambda: min(map(len, screens.shown)) >= 2)
    encode.break_one = True
    screens.wait(lambda: bool(screens.errors))
    seen = [len(frames) for frames in screens.shown]

    def went_on() -> int:
        return sum(len(frames) >= before + 5 for frames, before in zip(screens.shown, seen, strict=True))

    screens.wait(lambda: went_on() == PLAYERS - 1)
    loop.stop()
    assert [str(error) for error in screens.errors] == ["one picture broke"]
    assert went_on() == PLAYERS - 1
