"""The head's side of groups: which workers share passes with it, and which share pictures.

Groups are formed beside play, and are only ever a quicker way: while there is none, or as soon as one of its ranks is
lost, the head makes its passes alone and every decoder draws whole frames.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from dreamcade.cluster.layout import Decoding, Layout
from dreamcade.cluster.member import Member
from dreamcade.cluster.payload import describe, raw, read_tensors
from dreamcade.cluster.shares import share_of
from dreamcade.cluster.wire import Message, PeerLostError
from dreamcade.core.errors import DreamcadeError, RankLostError
from dreamcade.dynamics.dynamics import Context
from dreamcade.engine.executors.part import FIRST_PATIENCE, MEETING, Part

logger = logging.getLogger(__name__)
_SECONDS = FIRST_PATIENCE + 1.0
"""For a rank's part of a pass or a picture: the exchange's own patience ends it before."""
_PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before the attempts that follow a failed one, where nobody was lost: then the machine was only busy."""


class Groups:
    """`part` is the head's own, rank 0 of the passes; of pictures it has none."""

    def __init__(self, part: Part, tokens: int) -> None:
        self._part, self._tokens = part, tokens
        self._names = itertools.count(1)
        self._passing, self._sending = threading.Lock(), threading.Lock()
        self._ranks: tuple[Member, ...] = ()
        self._strips: tuple[Member, ...] = ()
        self._wanted: tuple[tuple[Member, ...], tuple[Member, ...]] = ((), ())
        self._forming = ThreadPoolExecutor(1, "dreamcade-groups")
        self._closed = False
        self._tried = threading.Event()
        """Whoever is wanted was asked, at least once."""
        self._tried.set()
        self._news = threading.Event()
        """Others are wanted than those who are being asked to form a group, or nobody any more."""

    @property
    def shares_pictures(self) -> bool:
        """Whether frames are drawn in strips now."""
        return len(self._strips) > 1

    def regroup(self, layout: Layout, ranks: Sequence[Member], decoders: Sequence[Member]) -> None:
        """Forms the groups of a layout anew, where they have changed; returns at once."""
        strips = tuple(decoders) if layout.decoding == Decoding.SPATIAL and len(decoders) > 1 else ()
        wanted = (tuple(ranks), strips)
        before, self._wanted = self._wanted, wanted
        if before == wanted:
            return
        self._tried.clear()
        self._news.set()
        if before[0] != wanted[0]:
            self._ranks = ()
        if before[1] != wanted[1]:
            self._strips = ()
        self._form_later()

    def settle(self) -> None:
        """Waits until what was asked for is formed, or has failed."""
        self._tried.wait()

    def sample(self, context: Context, noise: Tensor) -> Tensor | None:
        """A pass that is shared; None where it cannot be."""
        if not self._ranks:  # looked at before the lock, which who forms a group holds for long
            return None
        with self._passing:
            ranks = self._ranks
            if not ranks:
                return None
            size = 1 + len(ranks)
            asked = [self._ask_pass(m, rank, size, context, noise) for rank, m in enumerate(ranks, 1)]
            try:
                tokens = self._part.sample(_share(context, self._tokens, size, 0), noise)
            except RankLostError as error:
                self._ranks = ()
                logger.warning("a pass is made alone: %s", error)
                self._form_later()
                return None
            for answer in asked:
                answer.add_done_callback(_forget)
            return tokens

    def draw(self, latents: Tensor) -> Tensor | None:
        """Whole pictures `[B, H, W, 3]`, drawn in strips; None where they cannot be."""
        with self._sending:  # all of them get their commands in the same order
            strips = self._strips
            if not strips:
                return None
            parts = raw([latents])
            asked = [member.ask("strip", describe([latents]), parts, seconds=_SECONDS) for member in strips]
        try:
            return torch.cat([_rows(answer.result()) for answer in asked], 1)
        except (PeerLostError, RankLostError) as error:
            logger.warning("a frame is drawn whole: %s", error)
            with self._sending:
                if self._strips is strips:
                    self._strips = ()
                    self._form_later()
            return None

    def close(self) -> None:
        """Leaves all groups."""
        self._closed = True
        self._news.set()
        self._tried.set()
        self._forming.shutdown(cancel_futures=True)
        with self._passing:
            self._ranks = self._strips = ()
            self._part.close()

    def _form_later(self) -> None:
        try:
            self._forming.submit(self._form)
        except RuntimeError:  # it has been closed
            return

    def _form(self) -> None:
        """What is not formed: now and, where that fails, again after a while, unless others are wanted by then."""
        wanted = self._wanted
        self._news.clear()
        for pause in (*_PAUSES, 0.0):
            if self._closed or wanted != self._wanted:
                return
            formed = all([_succeeds(self._form_passes), _succeeds(self._form_pictures)])
            if wanted == self._wanted:
                self._tried.set()
            if formed:
                return
            self._news.wait(pause)

    def _form_passes(self) -> None:
        ranks = self._wanted[0]
        if self._ranks or not all(m.reason is None for m in ranks):
            return
        with self._passing:
            self._part.leave_passes()
            if not ranks:
                return
            name = f"passes {next(self._names)}"
            asked = _call(ranks, "join passes", name, 1, 1 + len(ranks))
            self._part.join_passes(name, 0, 1 + len(ranks))
            _expect(asked)
            self._ranks = ranks

    def _form_pictures(self) -> None:
        strips = self._wanted[1]
        if self._strips or not strips or not all(m.reason is None for m in strips):
            return
        _expect(_call(strips, "join pictures", f"pictures {next(self._names)}", 0, len(strips)))
        with self._sending:
            self._strips = strips

    def _ask_pass(self, member: Member, rank: int, size: int, context: Context, noise: Tensor) -> Future[Message]:
        own = _share(context, self._tokens, size, rank)
        tensors = [own.recent, own.actions, own.ages, noise, *(part for layer in own.memory for part in layer)]
        return member.ask("pass", describe(tensors), raw(tensors), seconds=_SECONDS)


def _share(context: Context, tokens: int, size: int, rank: int) -> Context:
    """A context with the memory of one rank's tokens only."""
    own = share_of(tokens, size, rank)
    memory = [(keys[:, :, own], values[:, :, own]) for keys, values in context.memory]
    return Context(context.recent, context.actions, memory, context.ages)


def _rows(message: Message) -> Tensor:
    if "lost" in message.fields:
        raise RankLostError(str(message.fields["lost"]))
    return read_tensors(message)[0]


def _call(members: Sequence[Member], kind: str, name: str, first: int, size: int) -> list[Future[Message]]:
    return [
        member.ask(kind, {"name": name, "rank": rank, "size": size}, seconds=MEETING + 2.0)
        for rank, member in enumerate(members, first)
    ]


def _expect(asked: Sequence[Future[Message]]) -> None:
    for answer in asked:
        fields = answer.result().fields
        if "lost" in fields:
            raise RankLostError(str(fields["lost"]))


def _forget(answer: Future[Message]) -> None:
    answer.exception()


def _succeeds(form: Callable[[], None]) -> bool:
    try:
        form()
    except DreamcadeError as error:
        logger.warning("no group for now: %s", error)
        return False
    return True
