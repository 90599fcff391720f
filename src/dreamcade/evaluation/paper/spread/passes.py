"""The head's side of the dynamics: the workers that share its passes, and what is done when one is lost."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait

from torch import Tensor

from dreamcade.cluster.member import Member
from dreamcade.cluster.payload import describe, raw
from dreamcade.cluster.pulse import Patience
from dreamcade.cluster.wire import Message, PeerLostError
from dreamcade.core.errors import RankLostError
from dreamcade.evaluation.paper.spread.parts import FIRST_PATIENCE, DynamicsPart

logger = logging.getLogger(__name__)
TRIES = 2
"""How often the same ranks are asked to form a group."""


class Passes:
    """`part` is the head's own, rank 0. One thread forms groups and steps; any may `break_off`."""

    def __init__(self, part: DynamicsPart) -> None:
        self._part = part
        self._names = itertools.count(1)
        self._asked: tuple[Member, ...] = ()
        self._ranks: tuple[Member, ...] = ()
        self._broken = False
        self._patience = Patience()

    @property
    def whole(self) -> bool:
        """Whether the group that was formed last can step."""
        return not self._broken

    @property
    def asked(self) -> tuple[Member, ...]:
        """The workers that `form` was last asked for."""
        return self._asked

    def form(self, ranks: Sequence[Member]) -> None:
        """Goes on with these workers from the frames that the head has committed; alone, where they do not come."""
        self._asked = tuple(ranks)
        tries = [self._asked] * TRIES if ranks else []
        for wanted in [*tries, ()]:
            self._ranks, self._broken = wanted, False
            try:
                self._form(wanted)
            except RankLostError as error:
                logger.warning("no group of %d for the passes: %s", 1 + len(wanted), error)
                self._broken = True
                if any(member.reason is not None for member in wanted):
                    return  # the layout is being redone
                continue
            if not self._broken:
                return

    def step(self, actions: Tensor, noise: Tensor) -> tuple[Tensor, float]:
        """The next latent `[1, c, h, w]` on the head's device, and the milliseconds that it took.

        Raises `RankLostError` where a rank is lost: no frame was made, and `form` comes first.
        """
        if self._broken:
            raise RankLostError("the group of the passes is broken")
        began = time.perf_counter()
        tensors = [actions, noise]
        fields, parts = describe(tensors), raw(tensors) if self._ranks else []
        asked = [member.ask("step", fields, parts, self._patience.limit(1)) for member in self._ranks]
        try:
            latents = self._part.step(actions, noise)
            if self._broken:
                raise RankLostError("a rank was lost while a frame was made")
        except RankLostError:
            self._broken = True
            raise
        took = time.perf_counter() - began
        self._patience.took(1, took)
        for answer in asked:
            answer.add_done_callback(_forget)
        return latents, 1e3 * took

    def reset(self) -> None:
        """Forgets all frames, on all ranks."""
        self._part.reset()
        self.form(self._asked)

    def leave(self) -> None:
        """The group."""
        self._part.leave()

    def break_off(self, member: Member) -> None:
        """This worker is lost: where it is one of the group, the head waits for it no longer."""
        if member in self._ranks:
            self._broken = True
            if self._part.device.type == "cuda":  # a CPU's exchange ends by itself
                self._part.leave()

    def _form(self, ranks: Sequence[Member]) -> None:
        past, name = self._part.past(), f"passes {next(self._names)}"
        tensors = [past.tokens, past.actions] if past.count else []
        place = {"name": name, "size": 1 + len(ranks), "count": past.count, **describe(tensors)}
        place["meeting"] = meeting = self._patience.limit(1)
        limit = meeting + 2 * FIRST_PATIENCE
        asked = [m.ask("join passes", {**place, "rank": r}, raw(tensors), limit) for r, m in enumerate(ranks, 1)]
        self._part.join(name, 0, 1 + len(ranks), meeting)
        expect_all(asked)


def expect_all(asked: Sequence[Future[Message]]) -> None:
    """Raises `RankLostError` where one of the ranks that were asked could not do it."""
    wait(asked, return_when=FIRST_EXCEPTION)
    for answer in sorted(asked, key=lambda one: not one.done()):
        try:
            fields = answer.result().fields
        except PeerLostError as error:
            raise RankLostError(str(error)) from error
        if "lost" in fields:
            raise RankLostError(str(fields["lost"]))


def _forget(answer: Future[Message]) -> None:
    answer.exception()
