"""The drawing of a simulated replica: what `dreamcade.engine.drawing` does, as events."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from random import Random

from dreamcade.engine.decider import Idle
from dreamcade.evaluation.simulation.agenda import Agenda
from dreamcade.evaluation.simulation.device import Device
from dreamcade.evaluation.simulation.play import Draft, Job, Play
from dreamcade.evaluation.simulation.service import Service

Task = tuple[Play, Job | None, Draft | None]
Show = Callable[[Play, Job, float], None]


class Drawer:
    """Room for one frame per play: a newer one replaces one that nobody has begun to draw. Frames before drafts.

    Each of the service's lanes takes all frames that wait, as one batch that all decoders share, and waits until it is
    encoded; drafts are drawn one
    by one and leave a lane free, where there are several. A play's frames are shown in their order.
    """

    def __init__(
        self, agenda: Agenda, service: Service, decoders: Sequence[Device], idle: Idle, random: Random, show: Show
    ) -> None:
        self._agenda, self._service, self._decoders, self._idle = agenda, service, decoders, idle
        self._random, self._show = random, show
        self._busy = 0
        self._threads = [0.0] * service.encoding_threads
        """When each that encodes will be free; a heap."""
        self.encoded = 0.0
        """Seconds of encoding, so far."""
        self._jobs: dict[Play, Job] = {}
        self._drafts: dict[Play, list[Draft]] = {}
        self.has_room: Callable[[], None] | None = None
        """Called once all that was offered is being drawn."""

    @property
    def is_full(self) -> bool:
        """Whether a frame waits for its drawing."""
        return bool(self._jobs)

    def offer(self, play: Play, job: Job) -> None:
        if play in self._jobs:
            play.late += 1
        self._jobs[play] = job

    def sketch(self, play: Play, drafts: Sequence[Draft], first: bool) -> None:
        waiting = self._drafts.get(play)
        if not waiting:
            self._drafts[play] = list(drafts)
        else:
            self._drafts[play] = [*drafts, *waiting] if first else [*waiting, *drafts]

    def claim(self, play: Play, draft: Draft, job: Job) -> None:
        """A draft is what comes: shown at once if it is drawn, or when it is."""
        self._drafts.pop(play, None)
        if draft.drawn:
            self._show(play, job, self._agenda.now)
        elif draft.drawing:
            draft.job = job
            play.on_screen = max(play.on_screen, draft.ends)
        else:
            self.offer(play, job)

    def forget_drafts(self, play: Play) -> None:
        self._drafts.pop(play, None)

    def forget(self, play: Play) -> None:
        """It is played here no more."""
        self._jobs.pop(play, None)
        self._drafts.pop(play, None)

    def go_on(self) -> None:
        """Every free lane begins to draw what waits."""
        lanes = self._service.lanes
        while self._jobs and self._busy < lanes:
            jobs, self._jobs = self._jobs, {}
            self._draw([(play, job, None) for play, job in jobs.items()])
        while self._drafts and self._busy < max(1, lanes - 1):
            self._draw([self._next_draft()])
        if self.has_room is not None and not self._jobs:
            called, self.has_room = self.has_room, None
            self._agenda.at(self._agenda.now, called)

    def _next_draft(self) -> Task:
        play = next(iter(self._drafts))
        draft, *waiting = self._drafts.pop(play)
        if waiting:
            self._drafts[play] = waiting
        draft.drawing = True
        return play, None, draft

    def _draw(self, tasks: list[Task]) -> None:
        begins = self._agenda.now
        self._busy += 1
        moment = begins + self._service.hand_over
        moment = max(self._decode(moment, size, tasks[0][1] is not None) for size in self._shares(len(tasks)))
        moments = []
        for (play, job, draft), encoded in zip(tasks, self._encode(moment, len(tasks)), strict=True):
            moment = max(moment, encoded)
            if job is not None:
                moment = play.on_screen = max(moment, play.on_screen)
            if draft is not None:
                draft.ends = moment
            moments.append(moment)
        self._agenda.at(moment, lambda: self._drawn(tasks, moments, moment - begins))

    def _encode(self, now: float, pictures: int) -> list[float]:
        """When each of a batch is encoded: by the threads that all lanes share, or else by the lane itself."""
        taken = [self._service.encode.draw(1, self._random) for _ in range(pictures)]
        self.encoded += sum(taken)
        if pictures == 1 or len(self._threads) == 1:
            return list(itertools.accumulate(taken, initial=now))[1:]
        moments = []
        for seconds in taken:
            moments.append(max(now, self._threads[0]) + seconds)
            heapq.heapreplace(self._threads, moments[-1])
        return moments

    def _shares(self, frames: int) -> list[int]:
        """How many frames of a batch each decoder gets."""
        count = min(frames, len(self._decoders))
        least, more = divmod(frames, count)
        return [least + (number < more) for number in range(count)]

    def _decode(self, now: float, frames: int, asked: bool) -> float:
        """When the freest decoder has drawn so many."""
        decoder = min(self._decoders, key=lambda one: one.free_at)
        seconds = self._service.decode.draw(frames, self._random)
        return decoder.take(now, seconds, frames=asked) + seconds

    def _drawn(self, tasks: list[Task], moments: list[float], seconds: float) -> None:
        self._busy -= 1
        for (play, job, draft), moment in zip(tasks, moments, strict=True):
            if draft is not None:
                draft.drawn, job = True, draft.job
            if job is not None:
                self._show(play, job, moment)
        self._idle.drew(len(tasks) * self._service.lanes, seconds)
        self.go_on()
