"""The one thread in which an engine computes.

PyTorch's CPU kernels keep a team of worker threads for every thread that calls them. As soon as there are more of them
than cores, OpenMP stops spinning between kernels, and every small kernel waits for a sleeping worker: on two cores a
frame takes 2.4 times as long once a second thread has computed anything, even if it is idle since. So while a game
loop plays, everything that others ask of its engine is done in the loop's thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from dreamcade.core.errors import BadInputError
from dreamcade.world.aside import aside

T = TypeVar("T")


class Home:
    """Runs calls in the thread that has settled here, or, while there is none, in the caller's, one at a time."""

    def __init__(self) -> None:
        self._computing = threading.RLock()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake: Callable[[], None] = _nobody
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    @property
    def has_calls(self) -> bool:
        """Whether `serve` has something to do."""
        return bool(self._calls)

    def run(self, function: Callable[[], T], once: bool = False) -> T:
        """`function()`, wherever it has to run; returns what it returns and raises what it raises.

        `once` says that the caller does not compute regularly: with nobody settled, it is then done aside.
        """
        with self._guard:
            away = self._thread is not None and not self._is_here()
            if away:
                future: Future[T] = Future()
                self._calls.append((future, function))
                wake = self._wake
        if away:
            wake()
            return future.result()
        if once and not self._is_here():
            return aside(lambda: self._compute(function))
        return self._compute(function)

    def _is_here(self) -> bool:
        return self._thread is threading.current_thread()

    def _compute(self, function: Callable[[], T]) -> T:
        with self._computing:
            return function()

    def settle(self, thread: threading.Thread, wake: Callable[[], None]) -> None:
        """From now on `thread` computes: it calls `serve` soon after each `wake()`, and `leave` in the end.

        Raises `BadInputError` when another thread has settled.
        """
        with self._guard:
            if self._thread is not None:
                raise BadInputError("this engine already plays in a game loop; stop that one first")
            self._thread, self._wake = thread, wake

    def serve(self) -> None:
        """Does what other threads had asked when it began, so that their asking on never keeps the settled thread,
        which calls it, from its own work."""
        for _ in range(len(self._calls)):
            future, function = self._calls.popleft()
            try:
                future.set_result(self._compute(function))
            except BaseException as error:
                future.set_exception(error)

    def leave(self) -> None:
        """Callers compute for themselves again; what they had asked before is still done."""
        with self._guard:
            self._thread, self._wake = None, _nobody
        self.serve()  # from now on nobody adds to them


def _nobody() -> None:
    """Wakes no one."""
