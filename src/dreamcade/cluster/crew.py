"""The worker processes of a pipeline: started, watched, ended, replaced.

Lost is a worker whose process has ended, whose connection broke or is full, who gives no sign of life, or whose answer
does not come; all of that is noticed within a second. It is killed for good: what comes back late helps nobody.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dreamcade.cluster.hosts import Errand, Hosts
from dreamcade.cluster.member import Member
from dreamcade.cluster.pulse import LOOK
from dreamcade.cluster.wire import Door, PeerLostError
from dreamcade.core.errors import BadInputError

logger = logging.getLogger(__name__)


class Describe(Protocol):
    """What a worker is to do, given its place in the crew and what `worker.work` has to know: address, name, token."""

    def __call__(self, place: int, connect: Mapping[str, Any]) -> Errand: ...


class Crew:
    """`changed(member)` is called in the crew's thread when a worker is ready, or lost (it has a `reason` then)."""

    def __init__(
        self, hosts: Hosts, describe: Describe, changed: Callable[[Member], None], host: str = "127.0.0.1"
    ) -> None:
        self._hosts = hosts
        self._describe = describe
        self._changed = changed
        self._token = secrets.token_hex(16)
        self._door = Door(self._token, host)
        self._members: list[Member] = []
        self._everybody: list[Member] = []
        """Until they are gathered: those that were started, whatever became of them."""
        self._news: deque[Member] = deque()
        self._due: list[tuple[float, int]] = []
        self._count = 0
        self._stir = threading.Condition()
        self._closing = self._gathered = False
        self._threads = [
            threading.Thread(target=self._let_in, name="dreamcade-door", daemon=True),
            threading.Thread(target=self._watch, name="dreamcade-watch", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def there(self) -> list[Member]:
        """Those that are ready, in the order of their places."""
        with self._stir:
            return sorted((m for m in self._members if m.ready), key=lambda m: m.place)

    @property
    def coming(self) -> list[Member]:
        """Those that were started and are not ready yet."""
        with self._stir:
            return [m for m in self._members if not m.ready and m.reason is None]

    def start(self, place: int) -> Member:
        """Starts a worker for a place; returns at once."""
        with self._stir:
            self._count += 1
            name = f"worker {place + 1}" + ("" if self._count <= place + 1 else f" ({self._count})")
        connect = {"address": self._door.address, "name": name, "token": self._token}
        with self._stir:
            if self._closing:
                raise BadInputError("this crew has been dismissed")
            member = Member(name, place, self._hosts.start(self._describe(place, connect)), self.lose)
            self._members.append(member)
            if not self._gathered:
                self._everybody.append(member)
        return member

    def start_later(self, place: int, moment: float) -> None:
        """The same at a `moment` of the monotonic clock, by the crew's own thread."""
        with self._stir:
            self._due.append((moment, place))

    def gather(self) -> None:
        """Waits until all that were started are ready.

        Raises `BadInputError` with what one of them says against it; the crew is closed then.
        """
        with self._stir:
            members = list(self._everybody)
            self._stir.wait_for(lambda: any(m.reason is not None for m in members) or all(m.ready for m in members))
        self._gathered, self._everybody = True, []
        lost = next((m for m in members if m.reason is not None), None)
        if lost is not None:
            self.close()
            raise BadInputError(f"{lost.name} cannot begin: {lost.reason}")

    def lose(self, member: Member, reason: str) -> None:
        """Gives a worker up; doing so twice is fine. Any thread may."""
        if not member.end(reason):
            return
        with self._stir:
            if member in self._members:
                self._members.remove(member)
            if not self._closing:
                logger.warning("%s is lost: %s", member.name, reason)
                self._news.append(member)
            self._stir.notify_all()

    def close(self) -> None:
        """Ends every worker and every thread; closing twice is fine."""
        with self._stir:
            self._closing = True
            members = list(self._members)
            self._stir.notify_all()
        for member in members:
            self.lose(member, "the crew was dismissed")
        for member in members:
            member.join()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()
        self._door.close()
        self._hosts.close()

    def _let_in(self) -> None:
        while not self._closing:
            try:
                came = self._door.let_in(0.2)
            except PeerLostError:
                return
            if came is None:
                continue
            name, wire = came
            member = next((m for m in self.coming if m.name == name), None)
            if member is None:
                wire.close()
                continue
            member.come_in(wire, lambda member=member: self._is_ready(member))  # type: ignore[misc]

    def _is_ready(self, member: Member) -> None:
        with self._stir:
            self._news.append(member)
            self._stir.notify_all()

    def _watch(self) -> None:
        next_look = 0.0
        while True:
            with self._stir:
                if self._closing:
                    return
                self._stir.wait(LOOK)
            now = time.monotonic()
            if now >= next_look:
                next_look = now + 0.9 * LOOK
                self._look(now)
            self._tell()

    def _look(self, now: float) -> None:
        with self._stir:
            members = list(self._members)
            due = [place for moment, place in self._due if moment <= now]
            self._due = [(moment, place) for moment, place in self._due if moment > now]
        for member in members:
            reason = self._door.refused.pop(member.name, None) or member.look(now)
            if reason is not None:
                self.lose(member, reason)
        for place in due:
            self._start_again(place)

    def _start_again(self, place: int) -> None:
        try:
            self.start(place)
        except (OSError, BadInputError) as error:
            if not self._closing:
                logger.warning("no replacement can be started: %s", error)

    def _tell(self) -> None:
        while self._news and not self._closing:
            try:
                self._changed(self._news.popleft())
            except Exception:
                logger.exception("who is to be told of a crew's changes failed")
