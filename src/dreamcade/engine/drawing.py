"""Draws frames beside the game loop: decodes, encodes and delivers this one while the next is being dreamed."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable

from dreamcade.core.types import Frame, Pixels, Tally
from dreamcade.engine.engine import Engine
from dreamcade.engine.handle import EncodedFrame, FrameJob, Handle

Encode = Callable[[Pixels], bytes]


class FrameDrawer:
    """One thread with room for one frame per handle: a newer frame replaces one that nobody has begun to draw.

    Everything that waits is decoded as one batch.
    """

    def __init__(self, engine: Engine, encode: Encode, fail: Callable[[Handle, Exception], None]) -> None:
        self._engine = engine
        self._encode = encode
        self._fail = fail
        self._changed = threading.Condition()
        self._jobs: dict[Handle, FrameJob] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="dreamcade-drawing", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; frames that were not drawn yet are dropped."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def offer(self, handle: Handle, job: FrameJob) -> None:
        """Hands a frame over; returns at once."""
        with self._changed:
            if handle in self._jobs:
                handle.late += 1
            self._jobs[handle] = job
            self._changed.notify_all()

    def wait_for_room(self) -> None:
        """Returns once all that was offered is being drawn."""
        with self._changed:
            self._changed.wait_for(lambda: not self._jobs or self._stopping)

    def _run(self) -> None:
        self._engine.share_cores()
        while (jobs := self._take()) is not None:
            jobs = {handle: job for handle, job in jobs.items() if handle.attached}
            try:
                frames = self._engine.draw([job.dreamed for job in jobs.values()])
            except Exception as error:
                for handle in jobs:
                    self._fail(handle, error)
                continue
            for (handle, job), frame in zip(jobs.items(), frames, strict=True):
                try:
                    self._deliver(handle, job, frame)
                except Exception as error:  # one player's failure must not end the others' play
                    self._fail(handle, error)

    def _take(self) -> dict[Handle, FrameJob] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._stopping)
            if self._stopping:
                return None
            jobs, self._jobs = self._jobs, {}
            self._changed.notify_all()
            return jobs

    def _deliver(self, handle: Handle, job: FrameJob, frame: Frame) -> None:
        if not handle.attached:
            return
        began = time.perf_counter()
        data = self._encode(frame.pixels)
        ended = time.perf_counter()
        timing = dataclasses.replace(
            frame.timing,
            encode_ms=(ended - began) * 1000.0,
            wait_ms=job.wait_ms,
            ready_ms=(ended - job.taken) * 1000.0 if job.taken else 0.0,
        )
        rate = handle.meter.mark(ended)
        handle.drawn += 1
        tally = Tally(computed=handle.drawn)
        encoded = EncodedFrame(data, frame.tick, job.sequence, job.client_ms, timing, handle.late, rate, tally)
        with handle.delivering:
            if handle.attached:
                handle.sink(encoded)
