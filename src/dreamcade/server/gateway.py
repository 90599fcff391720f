"""Many replicas behind one door: places sessions, keeps their journals, and moves them on when a replica is lost.

To the arcade and to connections it is what a world's engine and its game loop are (`server/stage.py`): it opens
sessions and attaches them. A session stays with its replica for as long as there is that replica.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from dreamcade.cluster.autoscaling import Autoscaler
from dreamcade.cluster.hosts import Errand, Hosts
from dreamcade.cluster.placement import place
from dreamcade.cluster.wire import Door, Message
from dreamcade.core.errors import BadInputError, DreamcadeError, WorldError
from dreamcade.engine.journal import Journal, journal_length
from dreamcade.engine.modes import Modes
from dreamcade.engine.notices import OnNotice
from dreamcade.engine.session import check_seed
from dreamcade.server.fleet import SILENCE, START_SECONDS, Fleet, Member, State
from dreamcade.server.remote_play import RemotePlay
from dreamcade.server.stage import OnError, Sink
from dreamcade.world.world import World

OPEN_SECONDS = 60.0
"""How long a newcomer waits for a place while another replica is starting."""
REFUSE_SECONDS = 2.0
"""The same where none is: somebody may be about to leave."""
LOOK_SECONDS = 0.1
"""How often replicas are looked at."""
MOVED = "A machine was lost; another one plays on."
GOES_ON = "Another machine plays on."
WAITS = "A machine was lost; play goes on as soon as another one has a place."

logger = logging.getLogger(__name__)


class Gateway:
    """Plays `world` on replicas that `hosts` start with `errand(name)`, each knocking at `door`.

    As many as `scaler` asks for. `modes` are what plays begin with; `silence` as in `Fleet`.
    """

    def __init__(
        self, world: World, hosts: Hosts, door: Door, errand: Callable[[str], Errand], scaler: Autoscaler,
        modes: Modes | None = None, silence: float = SILENCE,
    ) -> None:  # fmt: skip
        self._world = world
        self._modes = modes or Modes()
        self._length = journal_length(world.dynamics.config)
        self._packs = scaler.least < scaler.most
        self._changed = threading.Condition()
        self._plays: dict[str, RemotePlay] = {}
        self._waiting: deque[RemotePlay] = deque()
        self._numbers = itertools.count(1)
        self._closing = False
        self._fleet = Fleet(hosts, door, errand, scaler, world.identity, self._heard, self._changed, silence)
        self._thread = threading.Thread(target=self._run, name="dreamcade-gateway", daemon=True)

    @property
    def world(self) -> World:
        return self._world

    def start(self) -> None:
        """Starts the replicas; returns when the first one is ready. Raises `WorldError` where it cannot be."""
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._ready() or self._fleet.failure or self._closing, START_SECONDS)
            ready, reason = self._ready(), self._fleet.failure
        if not ready:
            self.stop()
            raise WorldError(
                f"no replica of world {self._world.manifest.name!r} starts: {reason or 'it takes too long'}"
            )

    def open_session(self, seed: int = 0, start: str | None = None) -> RemotePlay:
        """As `Engine.open_session`. Raises `DreamcadeError` where no replica has a place for long."""
        check_seed(seed)
        journal = Journal(int(seed), self._world.start(start).name, self._length)
        with self._changed:
            if self._closing:
                raise BadInputError("this gateway was stopped; make another one")
            play = RemotePlay(self, f"session-{next(self._numbers)}", journal, self._modes)
            self._plays[play.name] = play
            self._waiting.append(play)
            self._changed.notify_all()
            self._changed.wait_for(lambda: play.opened or play.error or self._closing, OPEN_SECONDS)
        if play.opened and play.error is None:
            return play
        self.left(play)
        raise play.error or DreamcadeError(self._fleet.failure or "no replica has a place yet; try again in a while")

    def attach(
        self, session: RemotePlay, sink: Sink, on_error: OnError | None = None, on_notice: OnNotice | None = None
    ) -> RemotePlay:
        """As `GameLoop.attach`."""
        session.attach(sink, on_error, on_notice)
        return session

    def left(self, play: RemotePlay) -> None:
        """The player has gone: its place is free."""
        with self._changed, play.lock:
            if play.closed:
                return
            member, play.closed = play.member, True
            self._plays.pop(play.name, None)
            if play in self._waiting:
                self._waiting.remove(play)
            if member is not None:
                member.sessions.discard(play.name)
                if not play.moving:
                    play.hand_over()
            self._changed.notify_all()

    def stop(self) -> None:
        """Ends every replica and every play; stopping twice is fine."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        for play in list(self._plays.values()):
            play.detach()
        self._fleet.close()

    def status(self) -> dict[str, Any]:
        """Where everything is, for the health page."""
        now = time.monotonic()
        with self._changed:
            members, plays = list(self._fleet.members.values()), list(self._plays.values())
            return {
                "replicas": [member.describe(now) for member in members],
                "sessions": [play.describe() for play in plays],
                "waiting": len(self._waiting),
                "lost_replicas": self._fleet.lost,
            }

    @property
    def path(self) -> str:
        """What runs the networks, for people."""
        with self._changed:
            told = [member.told.get("path") for member in self._fleet.members.values() if member.state is State.READY]
        return f"{told[0]}, in replicas" if told else "replicas"

    def _ready(self) -> bool:
        return any(member.state is State.READY for member in self._fleet.members.values())

    def _run(self) -> None:
        while True:
            try:
                with self._changed:
                    if self._closing:
                        return
                    self._look(time.monotonic())
                    self._changed.wait(LOOK_SECONDS)
            except Exception:  # whatever a host throws: players play on
                logger.exception("a gateway could not look after its replicas")
                time.sleep(LOOK_SECONDS)

    def _look(self, now: float) -> None:
        for member in self._fleet.look(now):
            self._bury(member)
        self._fleet.scale(now, len(self._waiting))
        self._drain()
        self._place()
        self._relieve()
        self._refuse(now)

    def _bury(self, member: Member) -> None:
        """The sessions of a lost replica wait, before all newcomers, to be placed again."""
        moved = [self._plays[name] for name in sorted(member.sessions) if name in self._plays]
        member.sessions.clear()
        for play in moved:
            play.wait()
        self._queue(moved)
        self._place()
        for play in moved:
            play.waits = play.member is None
            play.notice(WAITS if play.waits else MOVED)
        self._changed.notify_all()

    def _drain(self) -> None:
        """Sessions leave replicas that are given up, as far as others have room."""
        moving = sum(play.moving for play in self._plays.values())
        room = sum(load.room for load in self._fleet.loads if load.ready) - moving - len(self._waiting)
        for member in self._fleet.members.values():
            if member.state is State.DRAINING:
                staying = [self._plays[name] for name in sorted(member.sessions) if name in self._plays]
                for play in [play for play in staying if not play.moving][: max(0, room)]:
                    play.hand_over()
                    room -= 1

    def _queue(self, moved: Sequence[RemotePlay]) -> None:
        """Those that were playing wait before all newcomers, and among them who came first."""
        begun = [play for play in self._waiting if play.opened]
        self._waiting = deque([*begun, *moved, *(play for play in self._waiting if not play.opened)])

    def _place(self) -> None:
        while self._waiting:
            play, loads = self._waiting[0], self._fleet.loads
            name = place(loads, self._packs)
            play.crowded = name is None
            if name is None and (name := place(loads, self._packs, crowd=play.opened)) is None:
                return
            self._waiting.popleft()
            self._fleet.members[name].sessions.add(play.name)
            play.moves += play.opened
            play.go_on(self._fleet.members[name])
            if play.waits:
                play.waits = False
                play.notice(GOES_ON)

    def _relieve(self) -> None:
        """Sessions that were taken in where there was no room leave when there is some elsewhere; one at a time, so
        that each finds its place."""
        if self._waiting or any(play.moving for play in self._plays.values()):
            return
        loads = {load.replica: load for load in self._fleet.loads}
        for play in self._plays.values():
            if not play.crowded or play.member is None:
                continue
            own = loads.get(play.member.name)
            if own is not None and own.sessions <= own.capacity:
                play.crowded = False
            elif place([load for load in loads.values() if load is not own], self._packs) is not None:
                play.hand_over()
                return

    def _refuse(self, now: float) -> None:
        """Newcomers for whom no place is coming."""
        if self._fleet.is_growing:
            return
        for play in [play for play in self._waiting if not play.opened and now - play.since > REFUSE_SECONDS]:
            play.fail(DreamcadeError(self._fleet.failure or "every replica is full; try again in a while"))
            self._changed.notify_all()

    def _heard(self, member: Member, message: Message) -> None:
        """In a link's thread. Frames take this way: they take no lock but their play's."""
        play = self._plays.get(str(message.fields["session"]))
        if message.kind == "handed_over":
            with self._changed:
                member.sessions.discard(str(message.fields["session"]))
                if play is not None and play.member is member:
                    play.wait()
                    self._queue([play])
                self._changed.notify_all()
        elif play is not None and play.hear(member, message) and message.kind in ("opened", "refused"):
            with self._changed:
                self._changed.notify_all()
