"""Makes the frames of a tick, and in the time that is left drafts for the next one."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

from dreamcade.core.types import ActionVector, FrameKind
from dreamcade.dynamics import Abandoned
from dreamcade.engine.decider import Decision, Idle, Situation, decide
from dreamcade.engine.drafts import Draft, Key, key_of
from dreamcade.engine.drawing import FrameDrawer
from dreamcade.engine.engine import Engine
from dreamcade.engine.expectations import Expectations, Fail
from dreamcade.engine.handle import FrameJob, Handle
from dreamcade.engine.mailbox import Input
from dreamcade.engine.proposal import Dreamed, Proposal
from dreamcade.engine.schedule import drawing_room, is_surprised, needs_loop

StillWanted = Callable[[set[tuple[Handle, Key]]], bool]


@dataclasses.dataclass(slots=True)
class Take:
    """A handle's tick: the input it took, how long that had waited, how many frames had been drafted on a guess, and
    the frame that it becomes."""

    handle: Handle
    used: Input
    wait_ms: float
    draft: Draft | None = None
    guesses: int = 0
    proposal: Proposal | None = None


class Director:
    """Works in the loop's thread. `idle` learns from it how long passes take."""

    def __init__(self, engine: Engine, drawer: FrameDrawer, idle: Idle, fail: Fail, paced: bool = True) -> None:
        self.engine = engine
        self._paced = paced
        self.drawer = drawer
        self.idle = idle
        self._fail = fail
        self._expectations = Expectations(engine, fail)

    def first_frame(self, handle: Handle) -> None:
        """Shows what a session has come to, without a tick."""
        self._drop_drafts(handle)
        self._show(handle, self.engine.newest(handle.session), time.perf_counter())

    def between(self, handle: Handle) -> None:
        """Shows a frame half a tick ahead, for the eye alone."""
        handle.course.between = handle.session.version
        try:
            dreamed = self.engine.between(handle.session, 0.5)
        except Exception as error:
            self._fail(handle, error)
            return
        handle.count(in_between=1)
        self._show(handle, dreamed, time.perf_counter())

    def tick(self, handles: Sequence[Handle], began: float) -> None:
        """One tick of each of `handles`; those that must be computed are one batch."""
        takes = [self._take(handle, began) for handle in handles]
        self._compute([take for take in takes if take.proposal is None and take.handle.attached], began)
        self._commit([take for take in takes if take.proposal is not None and take.handle.attached], began)

    def unplanned(self, handles: Sequence[Handle]) -> list[Handle]:
        """Those that drafts can be made for: an input came that has none, or nothing has been planned yet."""
        if not self.idle.breadth(max(1, len(handles))):
            return []
        wanting = [h for h in handles if h.modes.speculation]
        return [h for h in wanting if self._is_surprised(h) or h.course.planned != h.standing]

    def draft(self, handles: Sequence[Handle], still_wanted: StillWanted) -> None:
        """Makes drafts for `handles` by one pass. Inputs that have come go before all guesses.

        `still_wanted` is asked now and then, with the handles and actions that the pass is for; where it says no, the
        pass is given up.
        """
        try:
            self._draft(handles, still_wanted)
        except Exception as error:
            if len(handles) == 1:
                self._fail(handles[0], error)
                return
            for handle in handles:  # as for ticks: alone, each answers for itself
                self.draft([handle], still_wanted)

    def _draft(self, handles: Sequence[Handle], still_wanted: StillWanted) -> None:
        begun, standings = time.perf_counter(), {h: h.standing for h in handles}
        come = [(h, h.mailbox.peek()[0].action) for h in handles if self._is_surprised(h)]
        for handle, _ in come:
            self.drawer.forget_drafts(handle)  # nobody guessed what came: the rest would only be in its way
        wanted = come or self._expectations.guesses(standings, self.idle.breadth(len(handles)))
        left: list[tuple[Handle, ActionVector]] = []
        for handle, action in wanted:
            if standings[handle][1] and self.engine.calm(handle.session, action):
                proposal = self.engine.extrapolate(handle.session, action)
                self._keep([(handle, Draft(proposal, standings[handle], begun, guessed=not come))])
            else:
                left.append((handle, action))
        if left:
            planned = {(handle, key_of(action)) for handle, action in left}
            try:
                proposals = self.engine.propose([(h.session, a) for h, a in left], lambda: still_wanted(planned))
            except Abandoned:
                return
            self.idle.passed(len(left), time.perf_counter() - begun)
            self._keep(
                [(h, Draft(p, standings[h], begun, not come)) for (h, _), p in zip(left, proposals, strict=True)]
            )
        if not come:
            for handle in handles:
                handle.course.planned = standings[handle]

    def wants(self, handle: Handle, situation: Situation, planned: set[tuple[Handle, Key]]) -> bool:
        """Whether `handle` needs the loop before a pass over `planned` is done: its frame is there, or will not be."""
        is_planned = (handle, key_of(handle.mailbox.peek()[0].action)) in planned
        return needs_loop(decide(situation), is_planned, self._is_surprised(handle))

    def _is_surprised(self, handle: Handle) -> bool:
        return is_surprised(handle.modes.speculation, *handle.stands())

    def _keep(self, drafts: Sequence[tuple[Handle, Draft]]) -> None:
        made: dict[Handle, list[Draft]] = {}
        for handle, draft in drafts:
            handle.course.book.add(draft)
            made.setdefault(handle, []).append(draft)
        for handle, own in made.items():
            self.drawer.sketch(handle, own[: drawing_room(self.idle, len(made))], first=not own[0].guessed)

    def _take(self, handle: Handle, began: float) -> Take:
        used, fresh = handle.mailbox.take()
        handle.used = used
        take = Take(handle, used, (began - used.received) * 1000.0 if fresh else 0.0)
        session, action, standing = handle.session, used.action, handle.standing
        take.draft, take.guesses = handle.course.book.find(action, standing), handle.course.book.guesses(standing)
        try:
            calm = take.draft is None and standing[1] and self.engine.calm(session, action)
            decision = decide(Situation(began, began, self.idle.period, drafted=take.draft is not None, calm=calm))
            if decision is Decision.DELIVER and take.draft is not None:
                take.proposal = take.draft.proposal
            elif decision is Decision.EXTRAPOLATE:
                take.proposal = self.engine.extrapolate(session, action)
        except Exception as error:
            self._fail(handle, error)
        return take

    def _compute(self, takes: Sequence[Take], began: float) -> None:
        if not takes:
            return
        try:
            proposals = self.engine.propose([(take.handle.session, take.used.action) for take in takes])
        except Exception as error:
            if len(takes) == 1:
                self._fail(takes[0].handle, error)
                return
            for take in takes:  # a batch does not say whose fault it was; alone, each session answers for itself
                self._compute([take], began)
            return
        self.idle.passed(len(takes), time.perf_counter() - began)
        for take, proposal in zip(takes, proposals, strict=True):
            take.proposal = proposal

    def _commit(self, takes: Sequence[Take], began: float) -> None:
        try:
            self.engine.commit([take.proposal for take in takes if take.proposal is not None])
        except Exception as error:
            if len(takes) == 1:
                self._fail(takes[0].handle, error)
                return
            for take in takes:
                self._commit([take], began)
            return
        for take in takes:
            assert take.proposal is not None
            self._count(take, take.proposal.dreamed.kind)
            self._drop_drafts(take.handle, but=take.draft)
            self._show(take.handle, take.proposal.dreamed, began, take)
        if self._paced:  # without a clock nothing is ever drafted
            wanting = [take for take in takes if take.handle.modes.speculation]
            self._expectations.tell({take.handle: take.proposal.version for take in wanting if take.proposal})

    def _count(self, take: Take, kind: FrameKind) -> None:
        hit = take.draft is not None and take.draft.guessed
        take.handle.course.foreknowledge.tick(hit if take.guesses else None)
        take.handle.count(
            computed=kind is FrameKind.COMPUTED, extrapolated=kind is FrameKind.EXTRAPOLATED, drafted=hit,
            missed=take.guesses > 0 and not hit, wasted=take.guesses - hit,
        )  # fmt: skip

    def _drop_drafts(self, handle: Handle, but: Draft | None = None) -> None:
        handle.course.book.clear()
        if but is None:
            self.drawer.forget_drafts(handle)

    def _show(self, handle: Handle, dreamed: Dreamed, began: float, take: Take | None = None) -> None:
        if not handle.attached:
            return
        draft = take.draft if take else None
        job = FrameJob(
            dreamed, handle.used.sequence, handle.used.client_ms, handle.course.next_serial(), began,
            take.wait_ms if take else 0.0, draft is not None and draft.guessed,
        )  # fmt: skip
        if draft is None:
            self.drawer.offer(handle, job)
            return
        picture = self.drawer.claim(handle, draft, job)
        if picture is not None:
            try:
                self.drawer.show(handle, job, picture)
            except Exception as error:
                self._fail(handle, error)
