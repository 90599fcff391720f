"""A play that runs in a replica, as the page's connection holds it: a session and its handle in one.

All that is needed to go on elsewhere is here: the journal, the newest input, what is switched on, a reset that may not
have arrived.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import threading
import time
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, Protocol

from dreamcade.cluster.wire import Message
from dreamcade.core.errors import BadInputError, DreamcadeError
from dreamcade.core.types import ActionVector, FrameKind, Tally
from dreamcade.engine.handle import EncodedFrame
from dreamcade.engine.journal import Journal
from dreamcade.engine.modes import Modes, lacking, notes_on
from dreamcade.engine.session import check_seed
from dreamcade.server.replica_messages import Fields, entry_of, frame_of, input_fields

if TYPE_CHECKING:
    from dreamcade.engine.notices import OnNotice
    from dreamcade.server.fleet import Member
    from dreamcade.server.stage import OnError, Sink
    from dreamcade.world.world import World

logger = logging.getLogger(__name__)


class Owner(Protocol):
    """Who places plays."""

    @property
    def world(self) -> World: ...
    def left(self, play: RemotePlay) -> None:
        """The player has gone."""


class RemotePlay:
    """Calls from connections and messages from replicas meet here; each holds `lock` for a moment only.

    `member` is the replica that plays it, None while it waits for one; `name` is how replicas know it.
    """

    def __init__(self, owner: Owner, name: str, journal: Journal, modes: Modes) -> None:
        self.owner, self.name = owner, name
        self.lock = threading.RLock()
        self.member: Member | None = None
        self.opened = self.closed = self.moving = self.crowded = self.attached = self.waits = False
        self.error: DreamcadeError | None = None
        self.since = time.monotonic()
        self.moves = 0
        self.fps = 0.0
        self._journal = journal
        self._modes = modes
        self._lacking = lacking(owner.world)
        self._paused = self._resumed = False
        self._input: Fields | None = None
        self._reset: tuple[int, str | None] | None = None
        self._shown = -1
        self._late, self._late_before = 0, 0
        self._tally, self._tally_before = Tally(), Tally()
        self._snapshots: dict[int, Future[bytes]] = {}
        self._requests = itertools.count()
        self._sink: Sink | None = None
        self._on_error: OnError | None = None
        self._on_notice: OnNotice | None = None

    @property
    def tick(self) -> int:
        return self._journal.tick

    # What a connection asks

    def attach(self, sink: Sink, on_error: OnError | None, on_notice: OnNotice | None) -> None:
        with self.lock:
            self._sink, self._on_error, self._on_notice, self.attached = sink, on_error, on_notice, True
            if self.member is not None:
                self._tell("attach", self._standing())

    def input(self, action: ActionVector, sequence: int, client_ms: float) -> None:
        """As `Handle.input`."""
        fields = input_fields(self.owner.world.controls.validate(action), int(sequence), float(client_ms))
        with self.lock:
            if self._input is not None and sequence <= self._input["sequence"]:
                return
            self._input = fields
            if self.member is not None and self.member.link is not None:
                self.member.link.tell_input(self.name, fields)

    def pause(self) -> None:
        with self.lock:
            self._paused = True
            self._tell("pause")

    def resume(self) -> None:
        with self.lock:
            self._paused = False
            self._tell("resume")

    def reset(self, seed: int | None = None, start: str | None = None) -> None:
        """As `Handle.reset`."""
        if seed is not None:
            check_seed(seed)
        if start is not None:
            self.owner.world.start(start)
        with self.lock:
            known = self._reset or (self._journal.seed, self._journal.start)
            self._reset = (known[0] if seed is None else int(seed), known[1] if start is None else start)
            self._tell("reset", {"seed": self._reset[0], "start": self._reset[1]})

    @property
    def modes(self) -> Modes:
        return dataclasses.replace(self._modes, **dict.fromkeys(self._lacking, False))

    @property
    def notes(self) -> tuple[str, ...]:
        return notes_on(self._lacking)

    def set_modes(
        self, speculation: bool | None = None, extrapolation: bool | None = None, in_between: bool | None = None,
        pipeline: bool | None = None,
    ) -> None:  # fmt: skip
        """As `Handle.set_modes`."""
        asked = {"speculation": speculation, "extrapolation": extrapolation, "in_between": in_between,
                 "pipeline": pipeline}  # fmt: skip
        given = {name: value for name, value in asked.items() if value is not None}
        with self.lock:
            self._modes = dataclasses.replace(self._modes, **given)
            self._tell("modes", {"modes": given})

    def snapshot(self, seconds: float = 10.0) -> bytes:
        """As `Session.snapshot`. Raises `BadInputError` where it is nowhere at the moment."""
        future: Future[bytes] = Future()
        with self.lock:
            if self.member is None or self.closed:
                raise BadInputError("this play is on its way to another machine; save it a moment later")
            request = next(self._requests)
            self._snapshots[request] = future
            self._tell("snapshot", {"request": request})
        try:
            return future.result(seconds)
        except (TimeoutError, CancelledError) as error:
            raise BadInputError("the machine that plays this was lost meanwhile; save it a moment later") from error
        finally:
            with self.lock:
                self._snapshots.pop(request, None)

    def detach(self) -> None:
        """As `Handle.detach`."""
        with self.lock:
            self._sink = self._on_error = self._on_notice = None
            self.attached = False

    def close(self) -> None:
        """Gives its place to others; closing twice is fine."""
        self.detach()
        self.owner.left(self)

    # What the gateway does with it

    def go_on(self, member: Member) -> None:
        """From now on `member` plays it, from where its journal ends."""
        with self.lock:
            self.member, self.moving = member, False
            fields, parts = self._journal.pack()
            self._tell("open", {"journal": fields}, parts)
            if self.attached:
                self._late_before, self._tally_before, self._resumed = self._late, self._tally, self._shown >= 0
                self._tell("attach", self._standing())
            if self._reset is not None:
                self._tell("reset", {"seed": self._reset[0], "start": self._reset[1]})

    def wait(self) -> None:
        """Nobody plays it for now, and what was asked of who did is never answered."""
        with self.lock:
            self.member, self.moving = None, False
            for future in self._snapshots.values():
                future.cancel()
            self._snapshots.clear()

    def hand_over(self) -> None:
        """Its replica plays it no more, and says so once everything of it has been told."""
        with self.lock:
            self.moving = True
            self._tell("hand_over")

    def notice(self, text: str) -> None:
        """To the player."""
        with self.lock:
            if self._on_notice is not None:
                self._on_notice(text)

    def fail(self, error: DreamcadeError) -> None:
        """It is over; its owner is told, once."""
        with self.lock:
            self.error = self.error or error
            on_error = self._on_error
            self.detach()
        if on_error is not None:
            on_error(error)

    def hear(self, member: Member, message: Message) -> bool:
        """What a replica says of it. What comes from one that does not play it any more counts for nothing: False."""
        with self.lock:
            if member is not self.member or self.closed:
                return False
            match message.kind:
                case "tick":
                    self._journal.add(entry_of(message))
                case "began":
                    self._begin(int(message.fields["seed"]), message.fields["start"])
                case "frame":
                    self._show(frame_of(message))
                case "notice":
                    self.notice(str(message.fields["text"]))
                case "opened":
                    self.opened = True
                case "saved":
                    future = self._snapshots.pop(message.fields["request"], None)
                    if future is not None:  # who asked may have waited long enough
                        future.set_result(bytes(message.parts[0]))
                case "error" | "refused":
                    self.fail(DreamcadeError(str(message.fields["reason"])))
        return True

    def describe(self) -> dict[str, Any]:
        """For the health page."""
        return {
            "session": self.name, "replica": self.member.name if self.member is not None else None, "tick": self.tick,
            "fps": round(self.fps, 2), "paused": self._paused, "moves": self.moves,
        }  # fmt: skip

    def _begin(self, seed: int, start: str | None) -> None:
        self._journal.begin(seed, start)
        self._shown, self._resumed = -1, False
        if self._reset == (seed, start):
            self._reset = None

    def _show(self, frame: EncodedFrame) -> None:
        """To the player, unless it is the one that was the last before the play went on elsewhere."""
        resumed, self._resumed = self._resumed, False
        if self._sink is None or (resumed and frame.tick == self._shown):
            return
        if frame.timing.kind is not FrameKind.IN_BETWEEN:
            self._shown = frame.tick
        self._late = self._late_before + frame.late
        before, now = dataclasses.astuple(self._tally_before), dataclasses.astuple(frame.tally)
        self._tally = Tally(*(old + new for old, new in zip(before, now, strict=True)))
        self.fps = frame.fps
        self._sink(dataclasses.replace(frame, late=self._late, tally=self._tally))

    def _standing(self) -> Fields:
        return {"modes": dataclasses.asdict(self._modes), "paused": self._paused, "input": self._input}

    def _tell(self, kind: str, fields: Fields | None = None, parts: Any = ()) -> None:
        if self.member is not None and self.member.link is not None:
            self.member.link.tell(kind, {"session": self.name, **(fields or {})}, parts)
