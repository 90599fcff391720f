"""A session that a game loop plays, as its owner holds it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dreamcade.core.types import ActionVector, FrameTiming, Tally
from dreamcade.engine.clock import RateMeter
from dreamcade.engine.engine import Dreamed
from dreamcade.engine.mailbox import Input, Mailbox
from dreamcade.engine.modes import Modes, lacking
from dreamcade.engine.session import Session, check_seed

if TYPE_CHECKING:
    from dreamcade.engine.runner import GameLoop


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """What a sink gets. `data` is the encoded picture; `sequence` and `client_ms` belong to the newest input that the
    frame used (0 before the first); `late` counts the frames that this player did not get since attaching
    (ticks skipped, or frames replaced by newer ones before they were drawn); `fps` is the rate over the last ones."""

    data: bytes
    tick: int
    sequence: int
    client_ms: float
    timing: FrameTiming
    late: int
    fps: float
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class ResetRequest:
    seed: int | None = None
    start: str | int | None = None


@dataclass(frozen=True, slots=True)
class FrameJob:
    """A frame on its way to be drawn, with the input that it used and how long that had waited."""

    dreamed: Dreamed
    sequence: int
    client_ms: float
    wait_ms: float = 0.0
    taken: float = 0.0
    """When the tick took its input (our seconds)."""


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
    error: Exception | None = None
    paused: bool = False
    attached: bool = True
    late: int = 0
    drawn: int = 0
    pipeline: bool = True
    wants_frame: bool = True
    """The newest frame is shown once without stepping: after attaching."""
    wanted_reset: ResetRequest | None = None
    mailbox: Mailbox = field(init=False)
    used: Input = field(init=False)
    meter: RateMeter = field(default_factory=RateMeter)
    delivering: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.mailbox = Mailbox(self.session.engine.world.controls.idle())
        self.used, _ = self.mailbox.take()

    def input(self, action: ActionVector, sequence: int, client_ms: float) -> None:
        """The player's action float32 `[A]`; the newest (highest `sequence`) is used by the next tick and stays in
        force until another comes. Raises `BadInputError` for a bad action."""
        checked = self.session.engine.world.controls.validate(action)
        self.mailbox.put(Input(checked, int(sequence), float(client_ms), time.perf_counter()))

    @property
    def modes(self) -> Modes:
        """What is really on."""
        return Modes(pipeline=self.pipeline, speculation=False, extrapolation=False, in_between=False)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is off because the world lacks something, and which command changes that."""
        reasons = lacking(self.session.engine.world)
        return tuple(f"{mode.replace('_', '-').capitalize()} is off: {why}" for mode, why in reasons.items())

    def set_modes(
        self,
        speculation: bool | None = None,
        extrapolation: bool | None = None,
        in_between: bool | None = None,
        pipeline: bool | None = None,
    ) -> None:
        """Switches modes; one that the world lacks stays off."""
        self.pipeline = self.pipeline if pipeline is None else pipeline

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
