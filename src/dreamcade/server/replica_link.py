"""The gateway's end of a replica's connection: one thread listens, one tells."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from dreamcade.cluster.wire import Message, PeerLostError, Wire
from dreamcade.server.replica_messages import Fields

logger = logging.getLogger(__name__)


class Link:
    """`heard` gets every message, `lost` once the reason why no more can come; both in this link's threads.

    `heard_at` is the moment of the last sign of life, on `time.monotonic`'s clock.
    """

    def __init__(self, name: str, wire: Wire, heard: Callable[[Message], None], lost: Callable[[str], None]) -> None:
        self.heard_at = time.monotonic()
        self._wire = wire
        self._heard = heard
        self._lost = lost
        self._changed = threading.Condition()
        self._commands: deque[tuple[str, Fields, Sequence[bytes]]] = deque()
        self._inputs: dict[str, Fields] = {}
        self._closed = False
        self._threads = [
            threading.Thread(target=self._listen, name=f"dreamcade-hears-{name}", daemon=True),
            threading.Thread(target=self._tell, name=f"dreamcade-tells-{name}", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def tell(self, kind: str, fields: Fields, parts: Sequence[bytes] = ()) -> None:
        """Returns at once; commands go in order."""
        with self._changed:
            self._commands.append((kind, fields, parts))
            self._changed.notify()

    def tell_input(self, session: str, fields: Fields) -> None:
        """Returns at once. An input that has not gone when the next one comes never goes; commands go first."""
        with self._changed:
            self._inputs[session] = fields
            self._changed.notify()

    def close(self) -> None:
        """Ends both threads; closing twice is fine."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._wire.close()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(2.0)

    def _listen(self) -> None:
        try:
            while (message := self._wire.receive()) is not None:
                self.heard_at = time.monotonic()
                self._heard(message)
        except PeerLostError as error:
            self._end(str(error))
        except Exception as error:
            logger.exception("a replica said what nobody understands")
            self._end(f"it said what nobody understands ({error})")

    def _tell(self) -> None:
        try:
            while (outgoing := self._next()) is not None:
                self._wire.send(*outgoing)
        except PeerLostError as error:
            self._end(str(error))

    def _next(self) -> tuple[str, Fields, Sequence[bytes]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._commands or self._inputs)
            if self._closed:
                return None
            if self._commands:
                return self._commands.popleft()
            session = next(iter(self._inputs))
            return "input", {"session": session, **self._inputs.pop(session)}, ()

    def _end(self, reason: str) -> None:
        with self._changed:
            closed, self._closed = self._closed, True
            self._changed.notify()
        self._wire.close()
        if not closed:
            self._lost(reason)
