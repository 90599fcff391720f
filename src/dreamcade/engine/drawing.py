"""Draws frames beside the game loop: decodes, encodes and delivers this one while the next is being dreamed."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dreamcade.core.types import Frame, Pixels
from dreamcade.engine.decider import Idle
from dreamcade.engine.drafts import Draft, Picture
from dreamcade.engine.engine import Engine
from dreamcade.engine.handle import FrameJob, Handle
from dreamcade.engine.proposal import Dreamed

Encode = Callable[[Pixels], bytes]
TOGETHER = 2
"""Drafts that are decoded as one batch: two take little longer than one, and more would keep frames waiting."""


@dataclass(frozen=True, slots=True)
class Task:
    """One frame to draw: a `job` to be shown, or a `draft` that may be."""

    handle: Handle
    dreamed: Dreamed
    job: FrameJob | None = None
    draft: Draft | None = None


class FrameDrawer:
    """One thread with room for one frame per handle: a newer frame replaces one that nobody has begun to draw.

    All frames that wait are decoded as one batch; drafts come after them, likeliest first.
    """

    def __init__(self, engine: Engine, encode: Encode, idle: Idle, fail: Callable[[Handle, Exception], None]) -> None:
        self._engine = engine
        self._encode = encode
        self._idle = idle
        self._fail = fail
        self._changed = threading.Condition()
        self._jobs: dict[Handle, FrameJob] = {}
        self._drafts: dict[Handle, list[Draft]] = {}
        self._busy = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="dreamcade-drawing", daemon=True)
        self.beside = True
        """Whether the thread draws; otherwise `work_off` does, in the caller's."""

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

    def sketch(self, handle: Handle, drafts: Sequence[Draft], first: bool = False) -> None:
        """Drafts to be drawn when there is nothing else to draw, after those that wait already or, `first`, before."""
        with self._changed:
            waiting = self._drafts.get(handle, [])
            self._drafts[handle] = [*drafts, *waiting] if first else [*waiting, *drafts]
            self._changed.notify_all()

    def claim(self, handle: Handle, draft: Draft, job: FrameJob) -> Picture | None:
        """A draft is what comes: its picture, if that is drawn. Otherwise it is drawn and shown as `job`. The others
        that wait for this handle are dropped."""
        with self._changed:
            self._drafts.pop(handle, None)
            if draft.picture is not None:
                return draft.picture
            if draft.drawing:
                draft.job = job
                return None
        self.offer(handle, job)
        return None

    def forget_drafts(self, handle: Handle) -> None:
        """Those that nobody has begun to draw need not be drawn."""
        with self._changed:
            self._drafts.pop(handle, None)

    def wake(self) -> None:
        """`beside` has changed."""
        with self._changed:
            self._changed.notify_all()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is drawn and nothing waits."""
        with self._changed:
            return not (self._busy or self._jobs or self._drafts)

    def wait_for_room(self) -> None:
        """Returns once all that was offered is being drawn."""
        with self._changed:
            self._changed.wait_for(lambda: not self._jobs or self._stopping)

    def work_off(self, drafts: bool = True) -> None:
        """Draws, in the caller's thread, one batch of what waits; frames first, and drafts only where asked to."""
        tasks = self._take(drafts)
        if tasks:
            self._draw(tasks)
            with self._changed:
                self._busy = False

    def show(self, handle: Handle, job: FrameJob, picture: Picture) -> None:
        """Gives a frame to its player, unless a newer one was given."""
        ended = time.perf_counter()
        timing = dataclasses.replace(
            picture.timing, wait_ms=job.wait_ms, ready_ms=(ended - job.taken) * 1000.0, drafted=job.drafted
        )
        handle.deliver(job, picture.data, timing, ended)

    def _run(self) -> None:
        self._engine.share_cores()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or (self.beside and (self._jobs or self._drafts)))
                if self._stopping:
                    return
            self.work_off()

    def _take(self, drafts: bool) -> list[Task]:
        with self._changed:
            jobs, self._jobs = self._jobs, {}
            tasks = [Task(handle, job.dreamed, job=job) for handle, job in jobs.items() if handle.attached]
            if not tasks and drafts:
                tasks = self._take_drafts()
            self._busy = bool(tasks)
            self._changed.notify_all()
        return tasks

    def _take_drafts(self) -> list[Task]:
        for handle in list(self._drafts):
            waiting = self._drafts.pop(handle)
            if not handle.attached:
                continue
            if waiting[TOGETHER:]:
                self._drafts[handle] = waiting[TOGETHER:]
            for draft in waiting[:TOGETHER]:
                draft.drawing = True
            return [Task(handle, draft.proposal.dreamed, draft=draft) for draft in waiting[:TOGETHER]]
        return []

    def _draw(self, tasks: Sequence[Task]) -> None:
        began = time.perf_counter()
        try:
            frames = self._engine.draw([task.dreamed for task in tasks])
        except Exception as error:
            for task in tasks:
                self._fail(task.handle, error)
            return
        for task, frame in zip(tasks, frames, strict=True):
            try:
                self._finish(task, frame)
            except Exception as error:  # one player's failure must not end the others' play
                self._fail(task.handle, error)
        self._idle.drew(len(tasks), time.perf_counter() - began)

    def _finish(self, task: Task, frame: Frame) -> None:
        if not task.handle.attached:
            return
        began = time.perf_counter()
        data = self._encode(frame.pixels)
        encode_ms = (time.perf_counter() - began) * 1000.0
        picture, job = Picture(data, dataclasses.replace(frame.timing, encode_ms=encode_ms)), task.job
        if task.draft is not None:
            with self._changed:
                task.draft.picture, job = picture, task.draft.job
        if job is not None:
            self.show(task.handle, job, picture)
