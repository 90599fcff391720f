"""A session that a game loop plays, as its owner holds it."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dreamcade.core.types import ActionVector, FrameTiming, Tally
from dreamcade.engine.clock import RateMeter
from dreamcade.engine.course import Course
from dreamcade.engine.drafts import Standing
from dreamcade.engine.mailbox import Input, Mailbox
from dreamcade.engine.modes import Modes, lacking, notes_on
from dreamcade.engine.notices import OnNotice
from dreamcade.engine.proposal import Dreamed
from dreamcade.engine.session import Session, check_seed

if TYPE_CHECKING:
    from dreamcade.engine.runner import GameLoop


_NOTHING = Tally()


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """What a sink gets. `data` is the encoded picture; `sequence` and `client_ms` belong to the newest input that the
    frame used (0 before the first); `late` counts the frames that this player did not get since attaching
    (ticks skipped, or frames replaced by newer ones before they were drawn); `fps` is the rate over the last ones;
    `tally` counts what its frames were."""

    data: bytes
    tick: int
    sequence: int
    client_ms: float
    timing: FrameTiming
    late: int
    fps: float
    tally: Tally = _NOTHING


@dataclass(frozen=True, slots=True)
class ResetRequest:
    seed: int | None = None
    start: str | int | None = None


@dataclass(frozen=True, slots=True)
class FrameJob:
    """A frame on its way to its player: the input that it used, how long that had waited, and when it was taken
    (seconds); `serial` numbers a handle's frames, so that none is shown after a newer one."""

    dreamed: Dreamed
    sequence: int
    client_ms: float
    serial: int
    taken: float
    wait_ms: float = 0.0
    drafted: bool = False


Sink = Callable[[EncodedFrame], None]
OnError = Callable[[Exception], None]


@dataclass(eq=False)
class Handle:
    """Made by `GameLoop.attach`; every method may be called from any thread and returns at once.

    `error` is what ended it, if something did: the sink gets no more frames then, and `on_error` was called.
    """

    loop: GameLoop
    session: Session
    sink: Sink
    on_error: OnError | None = None
    on_notice: OnNotice | None = None
    error: Exception | None = None
    paused: bool = False
    attached: bool = True
    late: int = 0
    wants_frame: bool = True
    """The newest frame is shown once without stepping: after attaching."""
    wanted_reset: ResetRequest | None = None
    wanted_modes: Modes = field(default_factory=Modes)
    tally: Tally = field(default_factory=Tally)
    mailbox: Mailbox = field(init=False)
    used: Input = field(init=False)
    course: Course = field(init=False)
    shown_serial: int = 0
    meter: RateMeter = field(default_factory=RateMeter)
    delivering: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.mailbox = Mailbox(self.session.engine.world.controls.idle())
        self.used, _ = self.mailbox.take()
        self.course = Course()
        self._lacking = lacking(self.session.engine.world)

    def input(self, action: ActionVector, sequence: int, client_ms: float) -> None:
        """The player's action float32 `[A]`; the newest (highest `sequence`) is used by the next tick and stays in
        force until another comes. Raises `BadInputError` for a bad action."""
        engine = self.session.engine
        checked = engine.snap(engine.world.controls.validate(action))
        if self.mailbox.put(Input(checked, int(sequence), float(client_ms), time.perf_counter())):
            self.loop.notify()

    @property
    def modes(self) -> Modes:
        """What is on: what is wanted, less what the world lacks."""
        off = dict.fromkeys(self._lacking, False)
        return dataclasses.replace(self.wanted_modes, pipeline=self.loop.pipeline, **off)

    @property
    def notes(self) -> tuple[str, ...]:
        """What this world lacks, and which command changes that."""
        return notes_on(self._lacking)

    @property
    def standing(self) -> Standing:
        """What a draft that is made now holds for."""
        return self.session.version, self.modes.extrapolation

    @property
    def wants_between(self) -> bool:
        """Whether a frame in between is wanted before the next tick, and was not shown yet."""
        return self.modes.in_between and self.course.between != self.session.version

    def stands(self) -> tuple[bool, bool]:
        """Whether an input has come that no tick has used; whether the frame for the action in force was drafted."""
        used, fresh = self.mailbox.peek()
        return fresh, self.course.book.find(used.action, self.standing) is not None

    def set_modes(
        self,
        speculation: bool | None = None,
        extrapolation: bool | None = None,
        in_between: bool | None = None,
        pipeline: bool | None = None,
    ) -> None:
        """Switches modes on or off, between two ticks; None leaves one as it is. What the world lacks stays off.
        `pipeline` is the whole loop's, for all who play in it."""
        asked = {"speculation": speculation, "extrapolation": extrapolation, "in_between": in_between}
        with self.loop.changed:
            given = {name: value for name, value in asked.items() if value is not None}
            self.wanted_modes = dataclasses.replace(self.wanted_modes, **given)
            if pipeline is not None:
                self.loop.pipeline = pipeline
            self.loop.changed.notify_all()

    def count(self, **more: int) -> None:
        """Adds to the tally."""
        self.tally = dataclasses.replace(
            self.tally, **{name: getattr(self.tally, name) + int(n) for name, n in more.items()}
        )

    def deliver(self, job: FrameJob, data: bytes, timing: FrameTiming, now: float) -> None:
        """Gives an encoded frame to the sink, unless a newer one was given before."""
        with self.delivering:
            if not self.attached:
                return
            if job.serial <= self.shown_serial:
                self.late += 1
                return
            self.shown_serial = job.serial
            self.sink(
                EncodedFrame(
                    data, job.dreamed.tick, job.sequence, job.client_ms, timing, self.late, self.meter.mark(now),
                    self.tally,
                )
            )  # fmt: skip

    def pause(self) -> None:
        """No more ticks until `resume`."""
        with self.loop.changed:
            self.paused = True

    def resume(self) -> None:
        """Ticks again, from now on."""
        with self.loop.changed:
            self.paused = False
            self.meter = RateMeter()  # the pause was not slowness
            self.loop.changed.notify_all()

    def reset(self, seed: int | None = None, start: str | int | None = None) -> None:
        """`Session.reset` between two ticks; its first frame is shown even while paused.

        Raises `BadInputError` or `UnknownNameError` at once, before anything changes.
        """
        if seed is not None:
            check_seed(seed)
        if start is not None:
            self.session.engine.world.start(start)
        with self.loop.changed:
            self.wanted_reset = ResetRequest(seed, start)
            self.loop.changed.notify_all()

    def detach(self) -> None:
        """Ends the play; once this returns, the sink is not called any more. The session stays open."""
        self.loop.forget(self)
        with self.delivering:  # waits for a delivery that is under way, unless the sink itself detaches
            self.attached = False

    def fail(self, error: Exception) -> None:
        """Detaches because of `error` and tells the owner, once."""
        if not self.attached:
            return
        self.error = error
        self.detach()
        if self.on_error is not None:
            self.on_error(error)
