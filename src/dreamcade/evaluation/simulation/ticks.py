"""One tick of one play: what is taken, what is counted, and when its frame is seen."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from dreamcade.engine.decider import Decision, Situation, decide
from dreamcade.evaluation.simulation.durations import Durations
from dreamcade.evaluation.simulation.play import Draft, Job, Play
from dreamcade.evaluation.simulation.service import Service


@dataclass(slots=True)
class Take:
    """A play's tick: the input that it took, the draft that it delivers, and how many guesses there were."""

    play: Play
    sequence: int
    draft: Draft | None
    guesses: int
    extrapolated: bool = False


def take_tick(play: Play, now: float, period: float, service: Service, random: Random) -> Take:
    """As `Director.tick` for one play, at the moment `now`: what it delivers, or how its frame is made."""
    take = Take(play, play.sequence, play.draft(), len(play.guesses))
    calm = take.draft is None and play.calm and not play.changed
    decision = decide(Situation(now, now, period, drafted=take.draft is not None, calm=calm))
    if decision is not Decision.DELIVER:
        take.draft = None
    take.extrapolated = decision is Decision.EXTRAPOLATE
    was_calm = calm or (play.calm and not play.changed)
    play.last_tick = now
    play.take()
    play.skips = play.skips + 1 if was_calm else 0
    play.calm = play.skips < service.most_skips and random.random() < service.calm
    return take


def count_tick(take: Take, began: float) -> Job:
    """Counts what `take` tells of the player's foreknowledge → its frame, to be drawn."""
    play, hit = take.play, take.draft is not None and take.draft.guessed
    play.foreknowledge.tick(hit if take.guesses else None)
    if play.record.within(began):
        play.record.count(take.guesses, hit, take.extrapolated)
    play.serial += 1
    return Job(take.sequence, play.serial, began, hit)


def deliver(play: Play, job: Job, moment: float, line: Durations | None, random: Random) -> None:
    """As `Handle.deliver`, then over the line, in order."""
    if job.serial <= play.shown_serial:
        play.late += 1
        return
    play.shown_serial = job.serial
    if line is not None:
        moment = max(play.last_arrival, moment + line.draw(1, random))
        play.last_arrival = moment
    play.record.shown(moment, job.taken)
    unanswered = play.unanswered
    while unanswered and unanswered[0][0] <= job.sequence:
        _, pressed = unanswered.popleft()
        play.record.answers(pressed, moment, not unanswered or unanswered[0][0] > job.sequence)
