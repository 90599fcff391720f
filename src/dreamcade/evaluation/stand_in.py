"""Stages that take a known time: real work on one core for a share of it, and rest for the remainder.

The rest is what a host does beside an accelerator: it waits. So more stages than there are cores can be measured as if
each had a device of its own, which is said wherever figures of such stages are shown.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dreamcade.cluster.payload import describe, raw, read_tensors
from dreamcade.cluster.wire import Message
from dreamcade.cluster.worker import Answer, Command, work
from dreamcade.dynamics.dynamics import Context
from dreamcade.dynamics.transformer import GoOn
from dreamcade.kernels.names import Kernels

_SIZE = 96
"""Of the matrices: a product takes some tens of microseconds."""


class Work:
    """Takes `milliseconds`, for `duty` (0…1) of which one core multiplies matrices; longer where the core is not to be
    had."""

    def __init__(self, milliseconds: float, duty: float) -> None:
        self._seconds, self._busy = milliseconds / 1000.0, duty * milliseconds / 1000.0
        self._matrix = torch.eye(_SIZE)

    def __call__(self) -> None:
        end, done = time.perf_counter() + self._seconds, time.thread_time() + self._busy
        while time.thread_time() < done:
            torch.mm(self._matrix, self._matrix)
        time.sleep(max(0.0, end - time.perf_counter()))


class StandIn:
    """An executor whose passes and pictures are stand-ins, of a real world's shapes."""

    name, storage, kernels, lanes = "stand-ins", torch.float32, Kernels.REFERENCE, 1

    def __init__(self, passes: Work, pictures: Work, frame_size: tuple[int, int]) -> None:
        self._passes, self._pictures = passes, pictures
        width, height = frame_size
        self._picture = torch.zeros(height, width, 3, dtype=torch.uint8)

    def sample(self, context: Context, noise: Tensor, go_on: GoOn | None = None) -> Tensor:
        self._passes()
        return context.latest.clone()

    def draw(self, latents: Tensor) -> Tensor:
        for _ in latents:
            self._pictures()
        return self._picture.expand(len(latents), *self._picture.shape).contiguous()


def run(address: str, name: str, token: str, milliseconds: float, duty: float, width: int, height: int) -> None:
    """The errand of a decoder that stands in for one."""
    work(address, name, token, lambda: _prepare(milliseconds, duty, (width, height)))


def _prepare(
    milliseconds: float, duty: float, frame_size: tuple[int, int]
) -> tuple[Mapping[str, Command], Mapping[str, Any]]:
    torch.set_num_threads(1)
    nothing = Work(0.0, 0.0)
    executor = StandIn(nothing, Work(milliseconds, duty), frame_size)

    def draw(message: Message) -> Answer:
        [latents] = read_tensors(message)
        pixels = executor.draw(latents)
        return Answer(describe([pixels]), raw([pixels]))

    return {"draw": draw}, {"warm_ms": milliseconds}
