"""The drawing of a simulated replica: what `dreamcade.engine.drawing` does, on as many lanes as draw at once."""

from __future__ import annotations

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
    """Room for one frame per play: a newer one replaces one that nobody has begun to draw. Frames before drafts."""

    def __init__(
        self, agenda: Agenda, service: Service, device: Device, idle: Idle, random: Random, show: Show
    ) -> None:
        self._agenda, self._service, self._device, self._idle = agenda, service, device, idle
        self._random, self._show = random, show
        self._free = service.lanes
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
        waiting = self._drafts.get(play, [])
        self._drafts[play] = [*drafts, *waiting] if first else [*waiting, *drafts]

    def claim(self, play: Play, draft: Draft, job: Job) -> None:
        """A draft is what comes: shown at once if it is drawn, or when it is."""
        self._drafts.pop(play, None)
        if draft.drawn:
            self._show(play, job, self._agenda.now)
        elif draft.drawing:
            draft.job = job
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
        while self._free and (self._jobs or self._drafts):
            tasks = self._next_frames() if self._jobs else self._next_draft()
            if tasks:
                self._draw(tasks)
        if self.has_room is not None and not self._jobs:
            called, self.has_room = self.has_room, None
            self._agenda.at(self._agenda.now, called)

    def _next_frames(self) -> list[Task]:
        """A fair share of the frames that wait, for one lane."""
        count = -(-len(self._jobs) // self._free)
        chosen = list(self._jobs)[:count]
        return [(play, self._jobs.pop(play), None) for play in chosen]

    def _next_draft(self) -> list[Task]:
        """The next draft, alone: a frame that comes meanwhile waits no longer than for one."""
        play = next(iter(self._drafts))
        draft, *waiting = self._drafts.pop(play)
        if waiting:
            self._drafts[play] = waiting
        draft.drawing = True
        return [(play, None, draft)]

    def _draw(self, tasks: list[Task]) -> None:
        service, now = self._service, self._agenda.now
        self._free -= 1
        decoded = service.decode.draw(len(tasks), self._random)
        begins = self._device.take(now, decoded, frames=tasks[0][1] is not None)
        moments, moment = [], begins + decoded
        for _ in tasks:
            moment += service.encode.draw(1, self._random)
            moments.append(moment)
        self._agenda.at(moment, lambda: self._drawn(tasks, moments, moment - begins))

    def _drawn(self, tasks: list[Task], moments: list[float], seconds: float) -> None:
        self._free += 1
        for (play, job, draft), moment in zip(tasks, moments, strict=True):
            if draft is not None:
                draft.drawn, job = True, draft.job
            if job is not None:
                self._show(play, job, moment + self._service.hand_over)
        self._idle.drew(len(tasks), seconds)
        self.go_on()
