"""A replica without its devices: the game loop's thread and its drawing, as events.

What is due, early, skipped, drafted, delivered, given up and drawn first is decided by the engine's own code; only the
seconds that stages take, and whether a guess was right, are drawn at random.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from random import Random

from dreamcade.engine.clock import FixedRateClock
from dreamcade.engine.decider import Idle, decide
from dreamcade.engine.schedule import Schedule, drawing_room, is_surprised, needs_loop
from dreamcade.evaluation.simulation.agenda import Agenda
from dreamcade.evaluation.simulation.device import Device
from dreamcade.evaluation.simulation.drawing import Drawer
from dreamcade.evaluation.simulation.play import Draft, Job, Play
from dreamcade.evaluation.simulation.service import Service
from dreamcade.evaluation.simulation.ticks import Take, count_tick, deliver, take_tick

TURN = 1e-4
"""Seconds from one look of the loop to the next, at least: where something is due that nobody takes, it looks again."""


@dataclass(eq=False, slots=True)
class Pass:
    """What the loop computes from `begins` to `ends`. Over drafts, `planned` says how many guesses of each play it
    makes (0: what has come); `of_come`: it is for inputs that came."""

    begins: float
    ends: float
    planned: dict[Play, int]
    of_come: bool = False


class Replica:
    """Plays any number of `plays`; `service` says how long that takes."""

    def __init__(self, name: str, agenda: Agenda, service: Service, random: Random) -> None:
        self.name, self.service = name, service
        self._agenda, self._random = agenda, random
        clock = FixedRateClock(service.tick_rate)
        self.idle = Idle(clock.period)
        self.schedule = Schedule(clock, self.idle, service.paced)
        self.dynamics = Device()
        self.decoders = [self.dynamics] if service.shared else [Device() for _ in range(service.decoders)]
        self._drawer = Drawer(agenda, service, self.decoders, self.idle, random, self._show)
        self._plays: dict[Play, None] = {}
        self._fresh: dict[Play, None] = {}
        self._unplanned: dict[Play, None] = {}
        self._busy: Pass | None = None
        self._was_idle, self._stopped, self._wake = True, False, 0.0

    @property
    def sessions(self) -> int:
        return len(self._plays)

    @property
    def busy(self) -> float:
        """The share of the time that its slowest stage works for ticks, of late."""
        now = self._agenda.now
        return max(device.share(now) for device in (self.dynamics, *self.decoders))

    @property
    def encoded(self) -> float:
        """Seconds of encoding, so far."""
        return self._drawer.encoded

    @property
    def plays(self) -> list[Play]:
        return list(self._plays)

    def admit(self, play: Play) -> None:
        """Plays it from now on."""
        play.move(self)
        self._plays[play] = self._unplanned[play] = None
        if play.fresh:
            self._fresh[play] = None
        self._soon()

    def dismiss(self, play: Play) -> None:
        """Plays it no more."""
        if play.home is self:
            play.move(None)
        for kept in (self._plays, self._fresh, self._unplanned):
            kept.pop(play, None)
        self._drawer.forget(play)

    def stop(self) -> list[Play]:
        """It is gone, with all that was under way; returns those that it played."""
        self._stopped = True
        plays = self.plays
        for play in plays:
            self.dismiss(play)
        return plays

    def heard(self, play: Play) -> None:
        """An input of `play` has come."""
        self._fresh[play] = None
        run = self._busy
        if run is None:
            early = self.schedule.early(len(self._plays))
            surprised = is_surprised(self.service.speculation, *play.stands())
            if surprised or self.schedule.next_time([play], self._agenda.now, early) < self._wake:
                self._look()
        elif run.planned:
            self._watch(run, [play])

    def _soon(self) -> None:
        if self._busy is None:
            self._wake_at(self._agenda.now)

    def _wake_at(self, moment: float) -> None:
        self._wake = moment
        self._agenda.at(moment, lambda: self._look() if self._wake == moment and self._busy is None else None)

    def _look(self) -> None:
        """The loop's thread is free: ticks that are due, then drafts, then a rest, as in `GameLoop`."""
        now, schedule = self._agenda.now, self.schedule
        if self._stopped or not self._plays:
            self._was_idle, self._wake = True, float("inf")
            return
        if self._was_idle:
            schedule.clock.start(now)
            self._was_idle = False
        early = schedule.early(len(self._plays))
        # Before the clock's deadline nobody can be due but who has sent something: the others need not be asked.
        asked = self._plays if now >= schedule.clock.deadline or not schedule.paced else self._fresh
        due = schedule.due(list(asked), now, early)
        if due:
            self._tick(due, now)
            return
        wanting = self._wanting() if schedule.paced else []
        if wanting and self._draft(wanting, now):
            return
        self._wake_at(max(now + TURN, schedule.next_time(list(self._fresh), now, early)))

    def _wanting(self) -> list[Play]:
        """As `Director.unplanned`."""
        if not self.service.speculation or not self.idle.breadth(max(1, len(self._plays))):
            return []
        surprised = [play for play in self._fresh if play not in self._unplanned and is_surprised(True, *play.stands())]
        return [*self._unplanned, *surprised]

    def _draft(self, plays: Sequence[Play], now: float) -> bool:
        """As `Director.draft`; whether there was anything to do."""
        asked = plays if len(plays) < len(self._fresh) else [play for play in self._fresh if play in self._plays]
        come = [play for play in asked if is_surprised(True, *play.stands())]
        for play in come:
            self._drawer.forget_drafts(play)
        breadth = self.idle.breadth(len(plays))
        planned = dict.fromkeys(come, 0) if come else {p: breadth for p in plays if p.foreknowledge.worthwhile}
        calm = [play for play in planned if play.calm and not (come and play.changed)]
        batch = sum(count or 1 for count in planned.values()) - len(calm)
        if not batch + len(calm):
            self._planned(plays)
            return False
        seconds = self._seconds(batch, len(calm))
        begins = self.dynamics.take(now, seconds, frames=False)
        run = self._busy = Pass(begins, begins + seconds, planned, bool(come))
        self._agenda.at(run.ends, lambda: self._drafted(run, plays, batch, run.ends - now))
        self._watch(run, ())
        return True

    def _planned(self, plays: Iterable[Play]) -> None:
        for play in plays:
            play.planned = play.version
            self._unplanned.pop(play, None)

    def _drafted(self, run: Pass, plays: Sequence[Play], batch: int, seconds: float) -> None:
        if run is not self._busy:
            return
        self._busy = None
        if batch:
            self.idle.passed(batch, seconds)
        made = {play: count for play, count in run.planned.items() if play.home is self}
        for play, count in made.items():
            drafts = [Draft(guessed=count > 0) for _ in range(count or 1)]
            if count:
                play.guesses = drafts
            else:
                play.come = drafts[0]
            self._drawer.sketch(play, drafts[: drawing_room(self.idle, len(made))], first=not count)
        if not run.of_come:
            self._planned(plays)
        self._drawer.go_on()
        self._look()

    def _watch(self, run: Pass, heard: Iterable[Play]) -> None:
        """Whether a pass over drafts may go on, now and when more is due."""
        now, clock = self._agenda.now, self.schedule.clock
        early = self.schedule.early(len(self._plays))
        if any(self._is_pressing(play, run, now, early) for play in heard):
            self._give_up(run, now)
            return
        fresh = self.schedule.next_time(list(heard or self._fresh), now, early)
        for moment in {clock.deadline, fresh} if not heard else {fresh}:
            if now < moment < run.ends:
                self._agenda.at(moment, lambda: self._watch_again(run))

    def _watch_again(self, run: Pass) -> None:
        if run is self._busy:
            now = self._agenda.now
            everyone = now >= self.schedule.clock.deadline
            early = self.schedule.early(len(self._plays))
            if any(self._is_pressing(p, run, now, early) for p in (self._plays if everyone else self._fresh)):
                self._give_up(run, now)

    def _is_pressing(self, play: Play, run: Pass, now: float, early: bool) -> bool:
        """As `Director.wants`."""
        count = run.planned.get(play)
        is_planned = count is not None and (run.of_come or play.foreseen <= count)
        surprised = is_surprised(True, *play.stands())
        return needs_loop(decide(self.schedule.situation(play, now, early)), is_planned, surprised)

    def _give_up(self, run: Pass, now: float) -> None:
        """The pass ends between two blocks, for nothing."""
        block = (run.ends - run.begins) / self.service.blocks
        at = min(run.ends, run.begins + max(0, ceil((now - run.begins) / block)) * block if block else now)
        self.dynamics.give_up(now, run.ends, at)
        run = self._busy = Pass(run.begins, at, {})
        self._agenda.at(at, lambda: self._free(run))

    def _free(self, run: Pass) -> None:
        if run is self._busy:
            self._busy = None
            self._look()

    def _seconds(self, batch: int, extrapolated: int) -> float:
        seconds = extrapolated * self.service.extrapolate
        return seconds + self.service.dynamics.draw(batch, self._random) if batch else seconds

    def _tick(self, due: Sequence[Play], now: float) -> None:
        """As `Director.tick`: what must be computed is one batch."""
        for play in due:
            self._fresh.pop(play, None)
        period = self.schedule.clock.period
        takes = [take_tick(play, now, period, self.service, self._random) for play in due]
        extrapolated = sum(take.extrapolated for take in takes)
        batch = sum(take.draft is None for take in takes) - extrapolated
        seconds = self._seconds(batch, extrapolated)
        begins = self.dynamics.take(now, seconds, frames=True) if seconds else now
        run = self._busy = Pass(begins, begins + seconds, {})
        if seconds:
            self._agenda.at(run.ends, lambda: self._commit(run, takes, now, batch))
        else:
            self._commit(run, takes, now, batch)

    def _commit(self, run: Pass, takes: Sequence[Take], began: float, batch: int) -> None:
        if run is not self._busy or self._stopped:
            return
        now = self._agenda.now
        if batch:
            self.idle.passed(batch, now - began)
        there = [take for take in takes if take.play.home is self]
        offered = [(take, count_tick(take, began)) for take in there]
        for take, job in offered:
            self._unplanned[take.play] = None
            if take.draft is not None:
                self._drawer.claim(take.play, take.draft, job)
            else:
                self._drawer.forget_drafts(take.play)
                self._drawer.offer(take.play, job)
        self._drawer.go_on()
        self._work(now + (self.service.own_work.draw(len(there), self._random) if there else 0.0))

    def _work(self, until: float) -> None:
        """The loop's own work for a tick; without a clock it then waits until all is being drawn."""
        run = self._busy = Pass(self._agenda.now, until, {})
        if not self.schedule.paced and self._drawer.is_full:
            self._drawer.has_room = lambda: self._free(run)
        else:
            self._agenda.at(until, lambda: self._free(run))

    def _show(self, play: Play, job: Job, moment: float) -> None:
        if play.home is self:
            deliver(play, job, moment, self.service.line, self._random)
