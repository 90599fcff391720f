"""The replicas of one world: started, watched, ended; as many as are wanted."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dreamcade.cluster.autoscaling import Autoscaler, Steps, steps
from dreamcade.cluster.hosts import Errand, Host, Hosts
from dreamcade.cluster.placement import Load
from dreamcade.cluster.wire import Door, Message, PeerLostError
from dreamcade.server.replica_link import Link

SILENCE = 0.8
"""Seconds without a word after which a replica is lost: it tells its load five times a second."""
START_SECONDS = 180.0
"""How long a replica may take to load its world and warm up."""
DELAYED = 0.3
"""Seconds. Whoever could not even look for so long was asleep itself, and first listens to what has come meanwhile."""
MOST_PATIENCE = 30.0
"""Seconds between two attempts to start what fails to start."""

logger = logging.getLogger(__name__)


class State(StrEnum):
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    LOST = "lost"


@dataclass(eq=False)
class Member:
    """A replica, as its gateway knows it. `told` is what it said when it was ready, and its last load."""

    name: str
    host: Host
    started: float
    state: State = State.STARTING
    link: Link | None = None
    reason: str = ""
    told: dict[str, Any] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)

    @property
    def load(self) -> Load:
        """With the sessions that it was given, of which it may not have told yet."""
        return Load(
            self.name, len(self.sessions), int(self.told.get("capacity", 0)), float(self.told.get("busy", 0.0)),
            self.state in (State.READY, State.DRAINING), self.state is State.DRAINING,
        )  # fmt: skip

    def describe(self, now: float) -> dict[str, Any]:
        """For the health page."""
        load = self.load
        return {
            "name": self.name, "state": str(self.state), "pid": self.told.get("pid"), "node": self.told.get("node"),
            "path": self.told.get("path"), "sessions": load.sessions, "capacity": load.capacity,
            "busy": round(load.busy, 3), "silent_s": round(now - self.link.heard_at, 3) if self.link else None,
        }  # fmt: skip


class Fleet:
    """Its methods are called by one thread, which holds `changed`; connections and messages come in others.

    `heard(member, message)` gets what members say of their sessions. `identity` is the world's, which every replica
    must have too.
    """

    def __init__(
        self, hosts: Hosts, door: Door, errand: Callable[[str], Errand], scaler: Autoscaler, identity: str,
        heard: Callable[[Member, Message], None], changed: threading.Condition, silence: float = SILENCE,
    ) -> None:  # fmt: skip
        self._hosts, self._door, self._errand = hosts, door, errand
        self._scaler, self._identity = scaler, identity
        self._heard, self._changed, self._silence = heard, changed, silence
        self.members: dict[str, Member] = {}
        self.failure = ""
        """Why the last replica did not start; empty once one has."""
        self.lost = 0
        self._made, self._failures = 0, 0
        self._patience = self._looked = 0.0
        self._closing = False
        self._welcoming = threading.Thread(target=self._welcome, name="dreamcade-door", daemon=True)
        self._welcoming.start()

    @property
    def loads(self) -> list[Load]:
        return [member.load for member in self.members.values()]

    @property
    def is_growing(self) -> bool:
        """Whether a replica is on its way."""
        return any(member.state is State.STARTING for member in self.members.values())

    def look(self, now: float) -> list[Member]:
        """Takes those that are lost out, and returns them."""
        slept, self._looked = now - self._looked > DELAYED, now
        lost = []
        for member in list(self.members.values()):
            member.reason = member.reason or self._complaint(member, now, slept)
            if member.reason:
                logger.warning("replica %s is lost: %s", member.name, member.reason)
                self._note_failure(member, now)
                self._end(member)
                lost.append(member)
        return lost

    def scale(self, now: float, waiting: int) -> Steps:
        """Starts, drains, revives and ends, as the number of players asks for."""
        loads = self.loads
        todo = steps(loads, self._scaler.decide(now, loads, waiting))
        for _ in range(todo.start if now >= self._patience else 0):
            self._start(now)
        for names, state in ((todo.revive, State.READY), (todo.drain, State.DRAINING)):
            for name in names:
                starting = self.members[name].state is State.STARTING
                self.members[name].state = state
                if starting:
                    self._end(self.members[name])
        for name in todo.end:
            self._end(self.members[name])
        return todo

    def close(self) -> None:
        """Ends all of them."""
        self._closing = True
        for member in list(self.members.values()):
            self._end(member)
        self._door.close()
        self._hosts.close()
        self._welcoming.join(2.0)

    def _start(self, now: float) -> None:
        self._made += 1
        name = f"replica-{self._made}"
        self.members[name] = Member(name, self._hosts.start(self._errand(name)), now)

    def _complaint(self, member: Member, now: float, slept: bool) -> str:
        if (refused := self._door.refused.pop(member.name, "")) or not member.host.is_alive():
            return refused or "its process has ended"
        if member.state is State.STARTING:
            return f"it did not start within {START_SECONDS:.0f} s" if now - member.started > START_SECONDS else ""
        assert member.link is not None
        silent = now - member.link.heard_at
        if silent > self._silence and not slept:
            return f"it has said nothing for {silent:.1f} s"
        return f"it hangs: {hangs}" if (hangs := member.told.get("hangs")) else ""

    def _note_failure(self, member: Member, now: float) -> None:
        if member.state is State.STARTING:
            self._failures += 1
            self.failure = member.reason
            self._patience = now + min(MOST_PATIENCE, 0.5 * 2**self._failures)
        else:
            self.lost += 1

    def _end(self, member: Member) -> None:
        member.state = State.LOST
        self.members.pop(member.name, None)

        def end() -> None:
            member.host.kill()  # for good: it must not come back with sessions that others play
            if member.link is not None:
                member.link.close()

        threading.Thread(target=end, name=f"dreamcade-ends-{member.name}", daemon=True).start()

    def _welcome(self) -> None:
        while not self._closing:
            try:
                arrival = self._door.let_in(1.0)
            except PeerLostError:
                return
            if arrival is None:
                continue
            name, wire = arrival
            with self._changed:
                member = self.members.get(name)
                if member is None or member.link is not None:
                    wire.close()
                    continue
                member.link = Link(name, wire, functools.partial(self._hear, member), self._loser(member))

    def _loser(self, member: Member) -> Callable[[str], None]:
        def lose(reason: str) -> None:
            with self._changed:
                member.reason = member.reason or reason
                self._changed.notify_all()

        return lose

    def _hear(self, member: Member, message: Message) -> None:
        if message.kind in ("loading", "load"):
            member.told |= message.fields
        elif message.kind == "ready":
            self._admit(member, message)
        elif message.kind == "failed":
            self._loser(member)(str(message.fields["reason"]))
        else:
            self._heard(member, message)

    def _admit(self, member: Member, message: Message) -> None:
        if message.fields["identity"] != self._identity:
            self._loser(member)("its world has other weights than the gateway's; give every machine the same files")
            return
        with self._changed:
            member.told |= message.fields
            if member.state is State.STARTING:
                member.state = State.READY
            self.failure, self._failures = "", 0
            self._changed.notify_all()
