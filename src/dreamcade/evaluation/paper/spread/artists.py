"""Who draws a frame: a worker, several of them with a strip each, or the head itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dreamcade.cluster.decoder_rank import assemble
from dreamcade.cluster.member import Member
from dreamcade.cluster.payload import describe, raw, read_tensors
from dreamcade.cluster.pulse import Patience
from dreamcade.cluster.wire import Message
from dreamcade.core.errors import RankLostError
from dreamcade.evaluation.paper.spread.parts import FIRST_PATIENCE, PicturePart
from dreamcade.evaluation.paper.spread.passes import expect_all


@dataclass(frozen=True, slots=True)
class Drawn:
    """Pixels uint8 `[1, H, W, 3]` on the CPU, and the milliseconds that drawing took (of the slowest strip)."""

    pixels: Tensor
    draw_ms: float


class Artist(Protocol):
    """Draws frames one after the other, in the order in which they are given."""

    @property
    def name(self) -> str:
        """No other artist had it before."""

    def draw(self, latents: Tensor) -> Future[Drawn]:
        """Of latents float32 `[1, c, h, w]`. What goes wrong is the future's exception."""


class Worker:
    """One worker draws whole frames. `patience` is learnt from all workers together."""

    def __init__(self, member: Member, patience: Patience) -> None:
        self._member, self._patience = member, patience

    @property
    def name(self) -> str:
        return self._member.name

    def draw(self, latents: Tensor) -> Future[Drawn]:
        asked = self._member.ask("draw", describe([latents]), raw([latents]), self._patience.limit(1))
        return _all_of([asked], self._drawn)

    def _drawn(self, answers: Sequence[Message]) -> Drawn:
        drawn = _drawn(answers)
        self._patience.took(1, drawn.draw_ms / 1e3)
        return drawn


class Together:
    """Several workers draw a strip of every frame each."""

    def __init__(self, name: str, members: Sequence[Member], meeting: float) -> None:
        """Forms their group; each waits `meeting` seconds for the others. Raises `RankLostError` where one does not
        come."""
        self.name = name
        self._members = tuple(members)
        self._sending = threading.Lock()
        place = {"name": name, "size": len(members), "meeting": meeting}
        limit = meeting + 2 * FIRST_PATIENCE
        expect_all([m.ask("join pictures", {**place, "rank": r}, seconds=limit) for r, m in enumerate(members)])

    def draw(self, latents: Tensor) -> Future[Drawn]:
        with self._sending:  # all of them get their commands in the same order
            parts = raw([latents])
            asked = [m.ask("strip", describe([latents]), parts, FIRST_PATIENCE) for m in self._members]
        return _all_of(asked, _drawn)


class Own:
    """The head draws. On a GPU beside the dynamics, in a thread and on a stream of its own: one device, both stages.
    On a CPU while the caller waits: one core, one stage after the other."""

    def __init__(self, part: PicturePart) -> None:
        self.name = "the head"
        self._part = part
        self._guard = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "dreamcade-own") if part.device.type == "cuda" else None
        self._stream = torch.cuda.Stream(part.device) if self._thread else None  # type: ignore[no-untyped-call]

    def draw(self, latents: Tensor) -> Future[Drawn]:
        if self._thread is not None:
            return self._thread.submit(self._draw, latents)
        done: Future[Drawn] = Future()
        try:
            done.set_result(self._draw(latents))
        except Exception as error:
            done.set_exception(error)
        return done

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown()

    def _draw(self, latents: Tensor) -> Drawn:
        with self._guard:
            began = time.perf_counter()
            if self._stream is None:
                pixels = self._part.draw(latents)
            else:
                torch.cuda.set_device(self._part.device)
                with torch.cuda.stream(self._stream):
                    pixels = self._part.draw(latents)
            return Drawn(pixels, 1e3 * (time.perf_counter() - began))


def _drawn(answers: Sequence[Message]) -> Drawn:
    for answer in answers:
        if "lost" in answer.fields:
            raise RankLostError(str(answer.fields["lost"]))
    strips = [read_tensors(answer)[0] for answer in answers]
    pixels = strips[0] if len(strips) == 1 else assemble(strips)
    return Drawn(pixels, max(float(answer.fields["draw_ms"]) for answer in answers))


def _all_of(asked: Sequence[Future[Message]], then: Callable[[Sequence[Message]], Drawn]) -> Future[Drawn]:
    """What `then` makes of all answers, as soon as the last one has come, or one has failed."""
    whole: Future[Drawn] = Future()
    left, guard = [len(asked)], threading.Lock()

    def answered(one: Future[Message]) -> None:
        failed = one.exception()
        with guard:
            left[0] -= 1
            if left[0] < 0 or (left[0] > 0 and failed is None):
                return  # failed before, or not all are there
            left[0] = 0
        try:
            if failed is not None:
                raise failed
            whole.set_result(then([answer.result() for answer in asked]))
        except Exception as error:
            whole.set_exception(error)

    for one in asked:
        one.add_done_callback(answered)
    return whole
