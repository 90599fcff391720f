"""Where a player's input waits for the next tick. There is room for one: the newest wins."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from dreamcade.core.types import ActionVector


@dataclass(frozen=True, slots=True)
class Input:
    """An action float32 `[A]`, the sender's sequence number and clock (ms), and when it came in (our seconds)."""

    action: ActionVector
    sequence: int
    client_ms: float
    received: float


class Mailbox:
    """Written by the network, read by the game loop. Until the first input it holds the idle action, sequence 0."""

    def __init__(self, idle: ActionVector) -> None:
        self._lock = threading.Lock()
        self._newest = Input(idle, sequence=0, client_ms=0.0, received=0.0)
        self._empty = True
        self._fresh = False

    def put(self, message: Input) -> bool:
        """Keeps `message` unless a newer one (a higher sequence) is already here; tells whether it did."""
        with self._lock:
            if message.sequence <= self._newest.sequence and not self._empty:
                return False
            self._newest = message
            self._empty, self._fresh = False, True
            return True

    def take(self) -> tuple[Input, bool]:
        """The newest input, which stays in force, and whether this is the first time it is taken."""
        with self._lock:
            fresh, self._fresh = self._fresh, False
            return self._newest, fresh

    def peek(self) -> tuple[Input, bool]:
        """What `take` would return; nothing is taken."""
        with self._lock:
            return self._newest, self._fresh
