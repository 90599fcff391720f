"""The game loop: keeps the world's tick rate for every attached session, and never falls behind on old frames."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from dreamcade.core.errors import BadInputError
from dreamcade.engine.clock import FixedRateClock
from dreamcade.engine.drawing import Encode, FrameDrawer
from dreamcade.engine.engine import Dreamed, Engine
from dreamcade.engine.handle import EncodedFrame, FrameJob, Handle, OnError, Sink
from dreamcade.engine.session import Session

__all__ = ["EncodedFrame", "GameLoop", "Handle"]

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())


class GameLoop:
    """Owns two threads: one dreams (all sessions as one batch), one draws that frame while the next is dreamed.

    `encode` turns pixels uint8 `[H, W, 3]` into bytes. Not `paced`, the next tick comes as soon as there is room for
    its frame, and none is left out. With nothing to play the loop sleeps and uses no CPU. On a CPU each thread has half
    the cores, and while the loop runs, all else that is asked of the engine is done in its thread (`engine/home.py`
    says why); for the same reason, do no other PyTorch work on the CPU in this process meanwhile.
    """

    def __init__(self, engine: Engine, encode: Encode, paced: bool = True) -> None:
        self.engine = engine
        self.paced = paced
        self.changed = threading.Condition()
        """Guards the handles' flags and wakes the loop."""
        self._handles: list[Handle] = []
        self._clock = FixedRateClock(engine.world.tick_rate)
        self._drawer = FrameDrawer(engine, encode, self._fail)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="dreamcade-loop", daemon=True)

    def start(self) -> None:
        """Starts the threads; a loop starts once, and an engine plays in one loop at a time (`BadInputError`)."""
        self.engine.home.settle(self._thread, self._notify)
        self._drawer.start()
        self._thread.start()

    def stop(self) -> None:
        """Ends the threads and detaches everything; sessions stay open. Stopping twice is fine."""
        with self.changed:
            self._stopping = True
            handles = list(self._handles)
            self.changed.notify_all()
        for handle in handles:
            handle.detach()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()
            self._drawer.stop()
            self.engine.use_all_cores()

    def attach(self, session: Session, sink: Sink, on_error: OnError | None = None) -> Handle:
        """Plays `session`; its newest frame is shown at once. `sink(EncodedFrame)` is called from the drawing
        thread and must return at once. When stepping, drawing or the sink raises, the handle is detached, its `error`
        is set, and `on_error(exception)` is called from one of the loop's threads; other sessions play on."""
        self.engine.check(session)
        handle = Handle(self, session, sink, on_error)
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

    def _notify(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def _run(self) -> None:
        try:
            self.engine.share_cores()
            self._play()
        finally:
            self.engine.home.leave()

    def _play(self) -> None:
        home, was_idle = self.engine.home, True
        while True:
            home.serve()
            with self.changed:
                was_idle = was_idle or not self._running()
                self.changed.wait_for(lambda: self._stopping or home.has_calls or self._asked() or self._running())
                if self._stopping:
                    return
                asked, running = self._asked(), self._running()
                now = time.perf_counter()
                if was_idle and running:
                    self._clock.start(now + 1.0 / self._clock.rate)  # time for the first frame to be seen
                was_idle = not running
                wait = self._clock.seconds_until_due(now) if self.paced else 0.0
                if not asked and wait > 0 and not home.has_calls:
                    self.changed.wait(wait)
                    continue
            self._answer(asked)
            if running and wait <= 0:
                self._tick(running)

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
                self._show(handle, self.engine.newest(handle.session))
            except Exception as error:
                self._fail(handle, error)

    def _tick(self, handles: Sequence[Handle]) -> None:
        began = time.perf_counter()
        skipped = self._clock.take(began) if self.paced else 0
        waited: dict[Handle, float] = {}
        for handle in handles:
            handle.late += skipped
            handle.used, fresh = handle.mailbox.take()
            waited[handle] = (began - handle.used.received) * 1000.0 if fresh else 0.0
        made = self._dream(handles)
        if not self.paced:  # what was shown before, a session's first frame too, must not be left out for these
            self._drawer.wait_for_room()
        for handle, dreamed in made.items():
            self._show(handle, dreamed, waited[handle], began)

    def _dream(self, handles: Sequence[Handle]) -> dict[Handle, Dreamed]:
        try:
            dreamed = self.engine.dream_many({handle.session: handle.used.action for handle in handles})
            return {handle: dreamed[handle.session] for handle in handles}
        except Exception:
            # A batch does not say whose fault it was; alone, each session answers for itself.
            return self._dream_alone(handles)

    def _dream_alone(self, handles: Sequence[Handle]) -> dict[Handle, Dreamed]:
        dreamed: dict[Handle, Dreamed] = {}
        for handle in handles:
            try:
                [dreamed[handle]] = self.engine.dream_many({handle.session: handle.used.action}).values()
            except Exception as error:
                self._fail(handle, error)
        return dreamed

    def _show(self, handle: Handle, dreamed: Dreamed, wait_ms: float = 0.0, taken: float = 0.0) -> None:
        if handle.attached:
            job = FrameJob(dreamed, handle.used.sequence, handle.used.client_ms, wait_ms, taken)
            self._drawer.offer(handle, job)

    @staticmethod
    def _fail(handle: Handle, error: Exception) -> None:
        try:
            handle.fail(error)
        except Exception:
            logger.exception("the on_error callback of a session failed")
