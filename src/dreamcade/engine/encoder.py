"""Encodes frames beside the game loop, so that the next tick does not wait for this one's picture."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable

from dreamcade.core.types import Pixels
from dreamcade.engine.handle import EncodedFrame, FrameJob, Handle

Encode = Callable[[Pixels], bytes]


class FrameEncoder:
    """One thread with room for one frame per handle: a newer frame replaces one that was not encoded yet."""

    def __init__(self, encode: Encode, fail: Callable[[Handle, Exception], None]) -> None:
        self._encode = encode
        self._fail = fail
        self._changed = threading.Condition()
        self._jobs: dict[Handle, FrameJob] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="dreamcade-encoder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; frames that were not encoded yet are dropped."""
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

    def _run(self) -> None:
        while (work := self._take()) is not None:
            handle, job = work
            try:
                self._deliver(handle, job)
            except Exception as error:  # one player's failure must not end the others' play
                self._fail(handle, error)

    def _take(self) -> tuple[Handle, FrameJob] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._stopping)
            if self._stopping:
                return None
            handle = next(iter(self._jobs))
            return handle, self._jobs.pop(handle)

    def _deliver(self, handle: Handle, job: FrameJob) -> None:
        if not handle.attached:
            return
        began = time.perf_counter()
        data = self._encode(job.frame.pixels)
        ended = time.perf_counter()
        timing = dataclasses.replace(job.frame.timing, encode_ms=(ended - began) * 1000.0)
        encoded = EncodedFrame(
            data, job.frame.tick, job.sequence, job.client_ms, timing, handle.late, handle.meter.mark(ended)
        )
        with handle.delivering:
            if handle.attached:
                handle.sink(encoded)
