"""Draws frames beside the game loop: decodes, encodes and delivers this one while the next is being dreamed."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dreamcade.core.types import Frame
from dreamcade.engine.decider import Idle
from dreamcade.engine.drafts import Draft, Picture
from dreamcade.engine.encoding import Encode, Encoded, PictureEncoder
from dreamcade.engine.engine import Engine
from dreamcade.engine.handle import FrameJob, Handle
from dreamcade.engine.progress import FOREVER
from dreamcade.engine.proposal import Dreamed


@dataclass(frozen=True, slots=True)
class Task:
    """One frame to draw: a `job` to be shown, or a `draft` that may be."""

    handle: Handle
    dreamed: Dreamed
    job: FrameJob | None = None
    draft: Draft | None = None


class FrameDrawer:
    """As many threads as frames can be drawn at once (`Executor.lanes`), with room for one waiting frame per handle: a
    newer frame replaces one that nobody has begun to draw. What was begun is delivered in the order of its ticks.

    All frames that wait are decoded as one batch, and encoded by so many threads as the engine has cores to spare for
    (`Engine.encoding_threads`); drafts come after them, likeliest first.
    """

    def __init__(self, engine: Engine, encode: Encode, idle: Idle, fail: Callable[[Handle, Exception], None]) -> None:
        self._engine = engine
        self._encoder = PictureEncoder(encode, engine.encoding_threads)
        self._idle = idle
        self._fail = fail
        self._changed = threading.Condition()
        self._jobs: dict[Handle, FrameJob] = {}
        self._drafts: dict[Handle, list[Draft]] = {}
        self._flying: dict[Handle, set[int]] = {}
        self._busy = 0
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self.beside = True
        """Whether the threads draw; otherwise `work_off` does, in the caller's."""
        self.has_computed = False
        """Whether the threads ever drew."""

    def start(self) -> None:
        with self._changed:
            self._fill_lanes()

    def _fill_lanes(self) -> None:
        """Decoders may have come since."""
        while len(self._threads) < self._engine.lanes:
            name = f"dreamcade-drawing{len(self._threads) or ''}"
            self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
            self._threads[-1].start()

    def stop(self) -> None:
        """Ends the threads; frames that were not drawn yet are dropped."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()
        self._encoder.stop()

    def offer(self, handle: Handle, job: FrameJob) -> None:
        """Hands a frame over; returns at once."""
        with self._changed:
            if handle in self._jobs:
                handle.late += 1
            self._jobs[handle] = job
            if self._threads and not self._stopping:
                self._fill_lanes()
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
                self._flying.setdefault(handle, set()).add(job.serial)
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
        self._work(self._take(drafts))

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
                self._changed.wait_for(lambda: self._stopping or (self.beside and self._has_work()))
                if self._stopping:
                    return
                tasks = self._take(drafts=True)
            self.has_computed = True
            self._work(tasks)

    def _work(self, tasks: Sequence[Task]) -> None:
        if not tasks:
            return
        try:
            with self._engine.progress.doing("a frame's way"):
                self._draw(tasks)
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def _has_work(self) -> bool:
        """Whether there is something to draw, and a free lane for it. Drafts leave one free for the frame that nobody
        foresaw, where there are several."""
        lanes = self._engine.lanes
        return bool(self._jobs and self._busy < lanes) or bool(self._drafts and self._busy < max(1, lanes - 1))

    def _take(self, drafts: bool) -> list[Task]:
        with self._changed:
            jobs, self._jobs = self._jobs, {}
            tasks = [Task(handle, job.dreamed, job=job) for handle, job in jobs.items() if handle.attached]
            for task in tasks:
                assert task.job is not None
                self._flying.setdefault(task.handle, set()).add(task.job.serial)
            if not tasks and drafts:
                tasks = self._take_drafts()
            self._busy += bool(tasks)
            self._changed.notify_all()
        return tasks

    def _take_drafts(self) -> list[Task]:
        """The next draft, alone: a frame that comes meanwhile waits no longer than for one."""
        for handle in list(self._drafts):
            draft, *waiting = self._drafts.pop(handle)
            if not handle.attached:
                continue
            if waiting:
                self._drafts[handle] = waiting
            draft.drawing = True
            return [Task(handle, draft.proposal.dreamed, draft=draft)]
        return []

    def _draw(self, tasks: Sequence[Task]) -> None:
        began = time.perf_counter()
        try:
            frames = self._engine.draw([task.dreamed for task in tasks])
        except Exception as error:
            for task in tasks:
                self._land(task)
                self._fail(task.handle, error)
            return
        encoding = self._encoder.begin([frame.pixels for frame in frames])
        for task, frame, encoded in zip(tasks, frames, encoding, strict=True):
            try:
                self._finish(task, frame, encoded)
            except Exception as error:  # one player's failure must not end the others' play
                self._fail(task.handle, error)
            finally:
                self._land(task)
        self._idle.drew(len(tasks) * self._engine.lanes, time.perf_counter() - began)

    def _finish(self, task: Task, frame: Frame, encoding: Callable[[], Encoded]) -> None:
        if not task.handle.attached:
            return
        encoded = encoding()
        picture, job = Picture(encoded.data, dataclasses.replace(frame.timing, encode_ms=encoded.ms)), task.job
        if task.draft is not None:
            with self._changed:
                task.draft.picture, job = picture, task.draft.job
        if job is not None:
            self._wait_for_turn(task.handle, job)
            self.show(task.handle, job, picture)

    def _wait_for_turn(self, handle: Handle, job: FrameJob) -> None:
        """Until no older frame of this handle is being drawn. The loop's own thread does not wait for others."""
        if threading.current_thread() not in self._threads:
            return
        with self._engine.progress.doing("a wait for an older frame", limit=FOREVER), self._changed:
            self._changed.wait_for(lambda: self._stopping or min(self._flying[handle]) >= job.serial)

    def _land(self, task: Task) -> None:
        """A frame has been delivered, or never will be."""
        with self._changed:
            job = task.job or (task.draft.job if task.draft is not None else None)
            flying = self._flying.get(task.handle, set())
            if job is not None:
                flying.discard(job.serial)
            if not flying:
                self._flying.pop(task.handle, None)
            self._changed.notify_all()
