"""How a child process ends with the process that started it, whatever has become of either of them.

Two ways at once. Standard input ends with the parent, which any child hears that runs. One that was stopped hears
nothing: there Linux kills it, as it does for whoever asks to die with its parent. Linux counts the *thread* that
started a process as its parent, so that thread has to last: `Starter` is one.
"""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future

Process = subprocess.Popen[bytes]
_PR_SET_PDEATHSIG = 1
"""Of `prctl(2)`: the signal that a process gets when its parent ends."""


def die_with_parent() -> None:
    """Has the system kill this process when its parent is gone; to be called before anything that takes time. Where
    that is not Linux nothing happens, and a process that was stopped lasts until it goes on."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def listen_to_parent() -> None:
    """Ends this process when its standard input does; what the parent had to say has been read from it."""
    threading.Thread(target=_listen, name="dreamcade-parent", daemon=True).start()


def _listen() -> None:
    while sys.stdin.buffer.read(1):
        pass
    os._exit(0)


class Starter:
    """Starts processes in a thread that lasts until this process ends, or `stop`, which is for when they are gone."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[tuple[Callable[[], Process], Future[Process]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()

    def start(self, make: Callable[[], Process]) -> Process:
        """The process that `make` starts; raises what it raises. Any thread may ask."""
        started: Future[Process] = Future()
        with self._guard:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dreamcade-starter", daemon=True)
                self._thread.start()
            self._asked.put((make, started))
        return started.result()

    def stop(self) -> None:
        """Ends the thread, and with it what still runs; another begins when something is started again."""
        with self._guard:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._asked.put(None)
                thread.join()

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            make, started = asked
            try:
                started.set_result(make())
            except BaseException as error:
                started.set_exception(error)
