"""From the game's thread to one connection: a slot that holds the newest frame only."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dreamcade.engine.runner import EncodedFrame


class Outbox:
    """A frame that was not taken before the next one came is dropped: a slow player sees fewer frames, not old ones."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ready = asyncio.Event()
        self._newest: EncodedFrame | None = None
        self._error: Exception | None = None
        self.dropped = 0

    def offer(self, frame: EncodedFrame) -> None:
        """Called from any thread; returns at once."""
        try:
            self._loop.call_soon_threadsafe(self._put, frame)
        except RuntimeError:  # the event loop has closed: nobody is left to see this frame
            self.dropped += 1

    def fail(self, error: Exception) -> None:
        """Called from any thread when no frame will come any more; `take` raises `error`."""
        with contextlib.suppress(RuntimeError):  # as above: nobody is left to tell
            self._loop.call_soon_threadsafe(self._put_error, error)

    async def take(self) -> EncodedFrame:
        """The newest frame, as soon as there is one."""
        while self._newest is None:
            if self._error is not None:
                raise self._error
            self._ready.clear()
            await self._ready.wait()
        frame, self._newest = self._newest, None
        return frame

    def _put(self, frame: EncodedFrame) -> None:
        if self._newest is not None:
            self.dropped += 1
        self._newest = frame
        self._ready.set()

    def _put_error(self, error: Exception) -> None:
        self._error = error
        self._ready.set()
