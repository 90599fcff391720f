"""Whether the threads that play get on: what each is about, and whether that takes longer than it may."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dreamcade.cluster.pulse import LEAST_PATIENCE, Patience

SPREAD_PATIENCE = 5.0
"""Seconds that anything may take where other processes help: several may be lost one after the other, each noticed
within a second, and what they were asked is done here in the end."""
OPENING_PATIENCE = 60.0
"""Seconds for sessions that are opened, continued or reset; whoever asks waits no longer either."""
FOREVER = float("inf")
"""The patience with what may take its time."""


@dataclass(eq=False, slots=True)
class _Doing:
    what: str
    limit: float
    seconds: float = 0.0
    """That it was seen, since it began or since what it did meanwhile has ended."""


class Progress:
    """Each thread says what it does; somebody else looks. No thread that waits for something to do is watched.

    Looks are counted, not seconds: where the whole process was stopped, no thread of it is blamed. `least` is the
    patience in seconds with whatever was seen to be quick.
    """

    def __init__(self, least: float = LEAST_PATIENCE) -> None:
        self.least = least
        self._patience = Patience()
        self._guard = threading.Lock()
        self._doing: dict[int, list[_Doing]] = {}

    @contextmanager
    def doing(self, what: str, size: int | None = None, limit: float | None = None) -> Iterator[None]:
        """The calling thread is about `what`, within `limit` seconds (none: `least`). With a `size`, as many as what
        this took before says; the first of a size, in which kernels are compiled, may take long. What is done within
        it has its own time, which does not count here."""
        learns = size is not None
        known = self._patience.limit((what, size)) if learns else self.least
        own = _Doing(what, max(self.least, known) if limit is None else limit)
        with self._guard:
            stack = self._doing.setdefault(threading.get_ident(), [])
            stack.append(own)
        began = time.monotonic()
        try:
            yield
            if learns:
                self._patience.took((what, size), time.monotonic() - began)
        finally:
            with self._guard:
                stack.remove(own)
                if stack:
                    stack[-1].seconds = 0.0
                else:
                    self._doing.pop(threading.get_ident(), None)

    def look(self, every: float) -> str:
        """What hangs, as the end of "it hangs: "; empty where nothing does. To be asked every so many seconds."""
        with self._guard:
            tops = [stack[-1] for stack in self._doing.values()]
        hanging = ""
        for one in tops:
            if one.seconds > one.limit:
                hanging = f"{one.what} has not ended for {one.seconds:.1f} s"
            one.seconds += every
        return hanging
