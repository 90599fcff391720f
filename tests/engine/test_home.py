from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from dreamcade.core.errors import BadInputError
from dreamcade.engine.home import Home


class Host:
    """A thread that has settled in a home."""

    def __init__(self, home: Home) -> None:
        self.home, self.woken, self.leaving = home, threading.Event(), False
        self.thread = threading.Thread(target=self._live)
        home.settle(self.thread, self.woken.set)
        self.thread.start()

    def _live(self) -> None:
        while not self.leaving:
            self.woken.wait()
            self.woken.clear()
            self.home.serve()
        self.home.leave()

    def leave(self) -> None:
        self.leaving = True
        self.woken.set()
        self.thread.join()


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host(Home())
    yield host
    host.leave()


def test_without_a_host_the_caller_computes() -> None:
    assert Home().run(threading.current_thread) is threading.current_thread()


def test_what_is_done_once_is_done_aside() -> None:
    home = Home()
    assert not home.run(threading.current_thread, once=True).is_alive()


def test_with_a_host_the_host_computes(host: Host) -> None:
    assert host.home.run(threading.current_thread) is host.thread
    # A call from within is done there and then, instead of waiting for itself.
    assert host.home.run(lambda: host.home.run(threading.current_thread, once=True)) is host.thread


def test_errors_come_back(host: Host) -> None:
    def fail() -> None:
        raise BadInputError("no")

    with pytest.raises(BadInputError, match="no"):
        host.home.run(fail)
    assert host.home.run(lambda: 1) == 1


def test_one_host_at_a_time(host: Host) -> None:
    with pytest.raises(BadInputError, match="already plays in a game loop"):
        host.home.settle(threading.current_thread(), lambda: None)


def test_after_the_host_left_the_caller_computes_again() -> None:
    host = Host(Home())
    host.leave()
    assert host.home.run(threading.current_thread) is threading.current_thread()


def test_nothing_is_lost_when_the_host_leaves() -> None:
    for _ in range(50):
        host = Host(Home())
        done: list[int] = []

        def call(k: int, home: Home = host.home, done: list[int] = done) -> None:
            done.append(home.run(lambda: k))

        callers = [threading.Thread(target=call, args=(k,)) for k in range(4)]
        for caller in callers:
            caller.start()
        host.leave()
        for caller in callers:
            caller.join(5)
        assert sorted(done) == [0, 1, 2, 3]


def test_serving_ends_although_others_keep_asking() -> None:
    home, asked = Home(), threading.Event()
    home.settle(threading.current_thread(), lambda: None)
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            home.run(asked.set)

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    for _ in range(20):
        home.serve()  # would never return if it went on for as long as there is something
    stop.set()
    home.leave()
    for asker in askers:
        asker.join(10)
    assert asked.is_set()


@pytest.mark.parametrize("hosted", [True, False])
def test_one_call_at_a_time(hosted: bool) -> None:
    home = Home()
    host = Host(home) if hosted else None
    running, overlaps = threading.Semaphore(1), []

    def work() -> None:
        if not running.acquire(blocking=False):
            overlaps.append(1)
            return
        time.sleep(0.001)
        running.release()

    callers = [threading.Thread(target=lambda: [home.run(work) for _ in range(10)]) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not overlaps
    if host is not None:
        host.leave()
