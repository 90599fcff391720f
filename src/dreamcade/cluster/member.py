"""A worker as its head sees it: what it was asked, and whether it still answers."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from dreamcade.cluster.hosts import Host
from dreamcade.cluster.pulse import Pulse
from dreamcade.cluster.wire import Message, PeerLostError, Wire

START_SECONDS = 120.0
"""How long a worker may take until it is ready."""


@dataclass(slots=True)
class _Question:
    asked: float
    seconds: float
    answer: Future[Message] = field(default_factory=Future)


class Member:
    """Made by `Crew.start`. Any thread may ask; the worker answers in the order of asking.

    `reason` says why it was lost, if it was; it never comes back.
    """

    def __init__(self, name: str, place: int, host: Host, lose: Callable[[Member, str], None]) -> None:
        self.name = name
        self.place = place
        self.host = host
        self.facts: Mapping[str, Any] = {}
        self.reason: str | None = None
        self.ready = False
        self._lose = lose
        self._wire: Wire | None = None
        self._thread: threading.Thread | None = None
        self._pulse = Pulse()
        self._begun = time.monotonic()
        self._guard = threading.Lock()
        self._numbers = itertools.count(1)
        self._questions: dict[int, _Question] = {}
        self._answered = 0.0

    @property
    def waiting(self) -> int:
        """Questions that it has not answered."""
        return len(self._questions)

    def ask(
        self, kind: str, fields: Mapping[str, Any] | None = None,
        parts: Sequence[bytes | bytearray | memoryview] = (), seconds: float = 1.0,
    ) -> Future[Message]:  # fmt: skip
        """Sends a command that may take `seconds` from when the worker can begin it. Where the worker is lost, or the
        command fails, which loses it, the future raises `PeerLostError`."""
        question = _Question(time.monotonic(), seconds)
        with self._guard:
            wire, reason = self._wire, self.reason
            if wire is not None and reason is None:
                number = next(self._numbers)
                self._questions[number] = question
        if wire is None or reason is not None:
            question.answer.set_exception(PeerLostError(f"{self.name} is lost: {reason or 'it never came'}"))
            return question.answer
        try:
            wire.send(kind, {**(fields or {}), "number": number}, parts)
        except PeerLostError as error:
            self._lose(self, str(error))
        return question.answer

    def come_in(self, wire: Wire, changed: Callable[[], None]) -> None:
        """It has knocked; from now on it is listened to. `changed()` is called when it is ready."""
        with self._guard:
            if self.reason is not None:
                wire.close()
                return
            self._wire = wire
        name = f"dreamcade-{self.name.replace(' ', '-')}"
        self._thread = threading.Thread(target=self._listen, args=[wire, changed], name=name, daemon=True)
        self._thread.start()

    def look(self, now: float) -> str | None:
        """Why it is to be given up, if it is; asked every `pulse.LOOK` seconds."""
        if not self.host.is_alive():
            return "its process has ended"
        silent = self._wire is not None and self._pulse.look()
        if not self.ready:
            return f"it was not ready within {START_SECONDS:g} s" if now > self._begun + START_SECONDS else None
        if silent:
            return "it gave no sign of life"
        with self._guard:
            oldest = next(iter(self._questions.values()), None)
        if oldest is not None and now > max(oldest.asked, self._answered) + oldest.seconds:
            return f"it has not answered for {oldest.seconds:.1f} s"
        return None

    def end(self, reason: str) -> bool:
        """Lost: kills it and tells everybody who waits. False where that was done before."""
        with self._guard:
            if self.reason is not None:
                return False
            self.reason, self.ready = reason, False
            questions, self._questions = self._questions, {}
        if self._wire is not None:
            self._wire.close()
        self.host.kill()
        for question in questions.values():
            question.answer.set_exception(PeerLostError(f"{self.name} is lost: {reason}"))
        return True

    def join(self) -> None:
        """Waits until nobody listens to it any more; it has been ended."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _listen(self, wire: Wire, changed: Callable[[], None]) -> None:
        try:
            while True:
                message = wire.receive()
                if message is not None:
                    self._take(message, changed)
        except PeerLostError as error:
            self._lose(self, str(error))

    def _take(self, message: Message, changed: Callable[[], None]) -> None:
        self._pulse.beat()
        if message.kind == "ready":
            self.facts, self.ready = message.fields, True
            changed()
        elif message.kind == "unfit":
            self._lose(self, str(message.fields.get("reason")))
        elif message.kind in ("done", "failed"):
            with self._guard:
                self._answered = time.monotonic()
                question = self._questions.pop(int(message.fields.get("number", 0)), None)
            if question is None:
                return
            if message.kind == "done":
                question.answer.set_result(message)
            else:
                reason = str(message.fields.get("reason"))
                question.answer.set_exception(PeerLostError(f"{self.name} failed: {reason}"))
                self._lose(self, f"it failed: {reason}")
