from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from dreamcade.cluster.pulse import FIRST_PATIENCE
from dreamcade.engine import Engine, GameLoop
from dreamcade.engine.progress import FOREVER, Progress
from dreamcade.world import World

EVERY = 0.2


def looks(progress: Progress, seconds: float) -> str:
    """What the last look of so many seconds says."""
    return [progress.look(EVERY) for _ in range(round(seconds / EVERY) + 1)][-1]


def test_what_takes_longer_than_it_may_hangs() -> None:
    progress = Progress(least=1.0)
    with progress.doing("a turn"):
        assert looks(progress, 0.8) == ""
        assert looks(progress, 0.6) == "a turn has not ended for 1.6 s"
    assert looks(progress, 60) == "", "nothing is done, nothing hangs"


def test_the_first_of_a_size_may_take_long() -> None:
    progress = Progress(least=1.0)
    with progress.doing("a pass", 1):
        assert looks(progress, FIRST_PATIENCE - 1) == ""
    with progress.doing("a pass", 1):
        assert "a pass has not ended" in looks(progress, 2)
    with progress.doing("a pass", 2):
        assert looks(progress, FIRST_PATIENCE - 1) == "", "of this size there was none"


def test_what_is_done_within_has_its_own_time() -> None:
    progress = Progress(least=1.0)
    with progress.doing("a turn"):
        for _ in range(3):
            assert looks(progress, 0.6) == ""
            with progress.doing("a rest", limit=FOREVER):
                assert looks(progress, 100) == ""
        assert "a turn has not ended" in looks(progress, 1.5)


def test_one_that_failed_is_over() -> None:
    progress = Progress(least=1.0)
    with pytest.raises(ZeroDivisionError), progress.doing("a turn"):
        raise ZeroDivisionError
    assert looks(progress, 5) == ""


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """Until it is set."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("what", ["compute", "draw"])
def test_a_loop_that_hangs_is_told_from_one_that_has_nothing_to_play(
    tiny_world: World, hanging: threading.Event, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    engine, shown = Engine(tiny_world, "cpu", kernels="reference"), threading.Semaphore(0)
    loop = GameLoop(engine, lambda pixels: b"")
    loop.start()
    try:
        handle = loop.attach(engine.open_session(), lambda frame: shown.release())
        assert all(shown.acquire(timeout=10) for _ in range(20))
        handle.pause()
        time.sleep(0.2)
        assert looks(engine.progress, 60) == "", "paused"
        quick, hangs = getattr(engine.passes, what), threading.Event()

        def hang(*arguments: object) -> object:
            hangs.set()
            hanging.wait(30)
            return quick(*arguments)

        monkeypatch.setattr(engine.passes, what, hang)
        handle.resume()
        assert hangs.wait(10)
        name = {"compute": "a pass", "draw": "drawing"}[what]
        assert looks(engine.progress, 5) == f"{name} has not ended for 5.0 s"
        hanging.set()
        assert all(shown.acquire(timeout=10) for _ in range(5))
    finally:
        hanging.set()
        loop.stop()
