"""The game loop: keeps the world's tick rate for every attached session, and never falls behind on old frames."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from dreamcade.core.errors import BadInputError
from dreamcade.engine.clock import FixedRateClock
from dreamcade.engine.decider import Idle
from dreamcade.engine.director import Director
from dreamcade.engine.drafts import Key
from dreamcade.engine.drawing import FrameDrawer
from dreamcade.engine.encoding import Encode
from dreamcade.engine.engine import Engine
from dreamcade.engine.handle import EncodedFrame, Handle, OnError, Sink
from dreamcade.engine.modes import Modes
from dreamcade.engine.notices import OnNotice
from dreamcade.engine.progress import FOREVER, OPENING_PATIENCE
from dreamcade.engine.schedule import Schedule
from dreamcade.engine.session import Session

__all__ = ["EncodedFrame", "GameLoop", "Handle"]

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())


class GameLoop:
    """Owns two threads, or more where frames are drawn on several devices: one dreams (all sessions as one batch), the
    others draw that frame while the next is dreamed. In the time that ticks leave, it makes drafts for the actions that
    are likely to come (`director.py`).

    `encode` turns pixels uint8 `[H, W, 3]` into bytes; several threads may call it at once. Not `paced`, the next tick
    comes as soon as there is room for its frame, and none is left out. With nothing to play the loop sleeps and uses no
    CPU. On a CPU each thread has half the cores, and while the loop runs, all else that is asked of the engine is done
    in its thread (`engine/home.py` says why); for the same reason, do no other PyTorch work on the CPU in this process
    meanwhile.
    """

    def __init__(self, engine: Engine, encode: Encode, paced: bool = True, pipeline: bool = True) -> None:
        self.engine = engine
        self.pipeline = pipeline
        """Whether the second thread draws; else the first does both, with all cores. Can be changed at any time."""
        self.changed = threading.Condition()
        """Guards the handles' flags and wakes the loop."""
        self._handles: list[Handle] = []
        self._clock = FixedRateClock(engine.world.tick_rate)
        self._idle = Idle(self._clock.period)
        self._schedule = Schedule(self._clock, self._idle, paced)
        self._drawer = FrameDrawer(engine, encode, self._idle, self._fail)
        self._director = Director(engine, self._drawer, self._idle, self._fail, paced)
        self._stopping = self._placed = False
        self._thread = threading.Thread(target=self._run, name="dreamcade-loop", daemon=True)

    @property
    def idle(self) -> Idle:
        """What it has learnt of how long passes and drawings take."""
        return self._idle

    @property
    def paced(self) -> bool:
        """Whether a clock says when ticks are taken."""
        return self._schedule.paced

    def start(self) -> None:
        """Starts the threads; a loop starts once, and an engine plays in one loop at a time (`BadInputError`)."""
        self.engine.home.settle(self._thread, self.notify)
        self.engine.notices.listen(self._announce)
        self._drawer.start()
        self._thread.start()

    def stop(self) -> None:
        """Ends the threads and detaches everything; sessions stay open. Stopping twice is fine."""
        with self.changed:
            self._stopping = True
            handles = list(self._handles)
            self.changed.notify_all()
        self.engine.notices.forget(self._announce)
        for handle in handles:
            handle.detach()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()
            self._drawer.stop()
            self.engine.use_all_cores()

    def attach(
        self, session: Session, sink: Sink, on_error: OnError | None = None, on_notice: OnNotice | None = None,
        modes: Modes | None = None,
    ) -> Handle:  # fmt: skip
        """Plays `session`; its newest frame is shown at once. `sink(EncodedFrame)` is called from one of the loop's
        threads and must return at once. When stepping, drawing or the sink raises, the handle is detached, its `error`
        is set, and `on_error(exception)` is called from one of the loop's threads; other sessions play on.
        `on_notice(text)` is called, from any thread, with what the player should know of the engine (`notices.py`).
        `modes` can be changed later, by the handle."""
        self.engine.check(session)
        handle = Handle(self, session, sink, on_error, on_notice, wanted_modes=modes or Modes())
        with self.changed:
            if self._stopping:
                raise BadInputError("this game loop was stopped; make another GameLoop")
            self._handles.append(handle)
            self.changed.notify_all()
        return handle

    def forget(self, handle: Handle) -> None:
        """Stops playing `handle`."""
        with self.changed:
            if handle in self._handles:
                self._handles.remove(handle)

    def notify(self) -> None:
        """Something may have changed: the loop looks."""
        with self.changed:
            self.changed.notify_all()

    def _run(self) -> None:
        try:
            self._play()
        finally:
            self.engine.home.leave()

    def _play(self) -> None:
        home, was_idle = self.engine.home, True
        while True:
            with self.engine.progress.doing("what was asked of the engine", limit=OPENING_PATIENCE):
                home.serve()
            self._place_threads()
            with self.changed:
                was_idle = was_idle or not self._running()
                self.changed.wait_for(lambda: self._stopping or home.has_calls or self._asked() or self._running())
                if self._stopping:
                    return
                asked, running = self._asked(), self._running()
                if running and was_idle:
                    self._clock.start(time.perf_counter())
                    was_idle = False
            with self.engine.progress.doing("a reset", limit=OPENING_PATIENCE):
                self._answer(asked)
            if running:
                with self.engine.progress.doing("a turn of the game loop"):
                    self._go_on(running)

    def _place_threads(self) -> None:
        """Half the cores for each thread that computes, or all of them for the only one. Once both have computed, one
        alone is better off with half of them too: `engine/home.py` says why."""
        if self._drawer.beside == self.pipeline and self._placed:
            return
        self._placed, self._drawer.beside = True, self.pipeline
        if self.pipeline or self._drawer.has_computed:
            self.engine.share_cores()
        else:
            self.engine.use_all_cores()
        self._drawer.wake()

    def _asked(self) -> list[Handle]:
        return [h for h in self._handles if h.wants_frame or h.wanted_reset is not None]

    def _running(self) -> list[Handle]:
        return [h for h in self._handles if not h.paused]

    def _answer(self, handles: Sequence[Handle]) -> None:
        """Resets and first frames: what players see without a tick."""
        for handle in handles:
            with self.changed:
                request, handle.wanted_reset, handle.wants_frame = handle.wanted_reset, None, False
            try:
                if request is not None:
                    handle.session.reset(request.seed, request.start)
                self._director.first_frame(handle)
            except Exception as error:
                self._fail(handle, error)
        if handles:
            self._hand_over()

    def _go_on(self, running: Sequence[Handle]) -> None:
        """Whatever is most pressing: ticks that are due, then drafts, then a frame in between, or a rest."""
        now = time.perf_counter()
        due = self._schedule.due(running, now, self._early)
        if due:
            self._tick(due, now)
        elif self.paced and (unplanned := self._director.unplanned(running)):
            self._director.draft(unplanned, lambda planned: self._can_wait(running, planned))
        elif self.paced and (blurred := self._blurred(running, now)):
            for handle in blurred:
                self._director.between(handle)
            self._hand_over()
        elif not (self._drawer.beside or self._drawer.is_idle):
            self._drawer.work_off()
        else:
            self._rest(running)

    @property
    def _early(self) -> bool:
        return self._schedule.early(len(self._handles))

    def _tick(self, handles: Sequence[Handle], now: float) -> None:
        for handle in handles:
            handle.course.last_tick = now
        self._director.tick(handles, now)
        self._hand_over()

    def _hand_over(self) -> None:
        """Frames were offered: they are drawn here where no other thread does. Without a clock none is left out."""
        if not self._drawer.beside:
            self._drawer.work_off(drafts=False)
        elif not self.paced:
            with self.engine.progress.doing("a rest", limit=FOREVER):
                self._drawer.wait_for_room()

    def _can_wait(self, running: Sequence[Handle], planned: set[tuple[Handle, Key]]) -> bool:
        """Whether a pass over `planned` may go on: nothing else is more pressing."""
        if self._stopping or self._asked():
            return False
        now, early = time.perf_counter(), self._early
        return not any(self._director.wants(h, self._schedule.situation(h, now, early), planned) for h in running)

    def _blurred(self, running: Sequence[Handle], now: float) -> list[Handle]:
        return [h for h in running if self._schedule.is_half_way(h, now) and self._drawer.is_idle]

    def _rest(self, running: Sequence[Handle]) -> None:
        """Until the next thing that has its time, or somebody notifies."""
        with self.engine.progress.doing("a rest", limit=FOREVER), self.changed:
            now = time.perf_counter()
            wait = self._schedule.next_time(running, now, self._early) - now
            if wait > 0 and not (self._stopping or self.engine.home.has_calls or self._asked()):
                self.changed.wait(wait)

    def _announce(self, text: str) -> None:
        with self.changed:
            listening = [handle.on_notice for handle in self._handles if handle.on_notice is not None]
        for on_notice in listening:
            try:
                on_notice(text)
            except Exception:
                logger.exception("the on_notice callback of a session failed")

    @staticmethod
    def _fail(handle: Handle, error: Exception) -> None:
        try:
            handle.fail(error)
        except Exception:
            logger.exception("the on_error callback of a session failed")
