"""Notices that a world which is played in this process hangs: its players are told, and the health page knows.

A replica that hangs is ended by its gateway, and others play on. Here there is nobody else: what hangs in native code
cannot be ended, only waited for, by the players, or by whoever restarts the server when its health says so.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from dreamcade.engine.progress import Progress

LOOK_SECONDS = 0.2
TELL_SECONDS = 3.0
"""How often players are told: the page shows a line a little longer than that."""
UNWELL_SECONDS = 10.0
"""That something hangs before it is more than slow."""
SLOW = "The world takes longer than expected; play goes on as soon as it is through."
NOTHING = ""
"""Takes back what the page was told."""

logger = logging.getLogger(__name__)


class Watch:
    """Looks at `progress` in a thread of its own, and calls `tell(text)` there.

    What may take long (compiling, opening sessions) `progress` knows; where nobody plays nothing can hang.
    """

    def __init__(self, progress: Progress, tell: Callable[[str], None]) -> None:
        self._progress = progress
        self._tell = tell
        self._hanging = 0.0
        """Seconds."""
        self._told = 0.0
        """Seconds of hanging at which the players are told again."""
        self._what = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dreamcade-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when nobody is told any more; stopping twice is fine."""
        self._ended.set()
        self._thread.join()

    def hangs(self) -> str:
        """What hangs, and for how long; empty where nothing does, or not for long."""
        return self._what if self._hanging >= UNWELL_SECONDS else ""

    def look(self) -> None:
        """One look; to be made every `LOOK_SECONDS`."""
        what = self._progress.look(LOOK_SECONDS)
        if what:
            self._wait(what)
        elif self._hanging:
            self._hanging = self._told = 0.0
            self._tell(NOTHING)
        self._what = what

    def _wait(self, what: str) -> None:
        was_well = not self.hangs()
        self._what = what
        if self._hanging >= self._told:
            self._told += TELL_SECONDS
            self._tell(SLOW)
        self._hanging += LOOK_SECONDS
        if was_well and self.hangs():
            logger.warning("the world hangs: %s", what)

    def _run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.look()
