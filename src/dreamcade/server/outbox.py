"""From the game's thread to one connection: a slot that holds the newest frame only, and what there is to say."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

from dreamcade.server.control_messages import Notice

if TYPE_CHECKING:
    from dreamcade.engine.runner import EncodedFrame

MOST_NOTICES = 8
"""That wait; more of them push out the oldest."""


class Outbox:
    """A frame that was not taken before the next one came is dropped: a slow player sees fewer frames, not old ones."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ready = asyncio.Event()
        self._newest: EncodedFrame | None = None
        self._notices: deque[Notice] = deque(maxlen=MOST_NOTICES)
        self._error: Exception | None = None
        self.dropped = 0

    def offer(self, frame: EncodedFrame) -> None:
        """Called from any thread; returns at once."""
        try:
            self._loop.call_soon_threadsafe(self._put, frame)
        except RuntimeError:  # the event loop has closed: nobody is left to see this frame
            self.dropped += 1

    def tell(self, text: str) -> None:
        """Called from any thread: a line for the player, which goes before the next frame."""
        with contextlib.suppress(RuntimeError):  # as above: nobody is left to tell
            self._loop.call_soon_threadsafe(self._put_notice, Notice(text))

    def fail(self, error: Exception) -> None:
        """Called from any thread when no frame will come any more; `take` raises `error`."""
        with contextlib.suppress(RuntimeError):  # as above: nobody is left to tell
            self._loop.call_soon_threadsafe(self._put_error, error)

    async def take(self) -> EncodedFrame | Notice:
        """What there is to say, else the newest frame, as soon as there is either."""
        while self._newest is None and not self._notices:
            if self._error is not None:
                raise self._error
            self._ready.clear()
            await self._ready.wait()
        if self._notices:
            return self._notices.popleft()
        assert self._newest is not None
        frame, self._newest = self._newest, None
        return frame

    def _put(self, frame: EncodedFrame) -> None:
        if self._newest is not None:
            self.dropped += 1
        self._newest = frame
        self._ready.set()

    def _put_notice(self, notice: Notice) -> None:
        self._notices.append(notice)
        self._ready.set()

    def _put_error(self, error: Exception) -> None:
        self._error = error
        self._ready.set()
