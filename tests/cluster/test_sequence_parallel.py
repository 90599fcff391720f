"""Sequence parallelism on 2, 3 and 5 processes: shared = alone, what is sent, and what happens when a rank goes."""

from __future__ import annotations

import dataclasses
import importlib.util
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from dreamcade.cluster.exchange_bytes import (
    diffusion_exchanges,
    diffusion_sent_bytes,
    world_exchanges,
    world_sent_bytes,
)
from dreamcade.cluster.meeting_place import MeetingPlace
from dreamcade.dynamics import Keeping
from dreamcade.dynamics.diffusion_config import FACTORISED, FULL
from dreamcade.dynamics.exchange import ALONE

SCRIPT = Path(__file__).with_name("rank_process.py")
PATIENCE = 40.0
"""Seconds until a process that does not answer fails its test."""
BOUND = 1e-5
"""Norm of the difference over that of the frames, in float32."""


def _both_sides() -> ModuleType:
    spec = importlib.util.spec_from_file_location("rank_process", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


both = _both_sides()
FRAMES = both.FRAMES


class Ranks:
    """Processes, each behind a pipe; what one is asked for has to be there in time."""

    def __init__(self, count: int) -> None:
        pairs = [multiprocessing.Pipe() for _ in range(count)]
        theirs = [end.fileno() for _, end in pairs]
        command = [sys.executable, str(SCRIPT), *map(str, theirs)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=theirs, start_new_session=True)
        for _, end in pairs:
            end.close()
        self._ends: list[Connection] = [end for end, _ in pairs]
        self.place = MeetingPlace()
        self.pids = [self.answer(rank) for rank in range(count)]
        for end in self._ends:
            both.send(end, self.place.address)
        self._groups = 0

    def answer(self, number: int) -> Any:
        if not self._ends[number].poll(PATIENCE):
            pytest.fail(f"process {number} has not answered for {PATIENCE} s")
        return pickle.loads(self._ends[number].recv_bytes())

    def ask(self, numbers: Sequence[int], name: str, *args: Any) -> None:
        for number in numbers:
            both.send(self._ends[number], (name, args))

    def results(self, numbers: Sequence[int]) -> list[Any]:
        answers = [self.answer(number) for number in numbers]
        for number, (fine, result) in zip(numbers, answers, strict=True):
            assert fine, f"process {number}: {result}"
        return [result for _, result in answers]

    def group(self, numbers: Sequence[int]) -> None:
        """These are ranks 0, 1, … of a new group."""
        self._groups += 1
        for rank, number in enumerate(numbers):
            self.ask([number], "join", f"group {self._groups}", rank, len(numbers))
        self.results(numbers)

    def close(self) -> None:
        """All of them, even one that is stopped. Should this process be killed, its end of their pipe does it."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        for end in self._ends:
            end.close()


@pytest.fixture(scope="module")
def ranks() -> Iterator[Ranks]:
    running = Ranks(5)
    try:
        yield running
    finally:
        running.close()


def error_of(made: Any, expected: Tensor) -> float:
    """Of the frames that are worst."""
    difference = (torch.as_tensor(made) - expected).flatten(1).norm(dim=1)
    return float((difference / expected.flatten(1).norm(dim=1)).max())


LARGE_CASES = [
    pytest.param(FULL, "gelu", 16, 1, BOUND, id="full"),
    pytest.param(FULL, "gelu", 8, 1, 1e-3, id="full, 8 bits"),
    pytest.param(FACTORISED, "gated", 16, 2, BOUND, id="factorised, two rows"),
    pytest.param(FACTORISED, "gated", 8, 1, 1e-3, id="factorised, 8 bits"),
]
"""In few bits a difference in the last place moves a number on the edge between two codes to the next one."""


@pytest.mark.parametrize(("attention", "feed_forward", "bits", "batch", "bound"), LARGE_CASES)
@pytest.mark.parametrize("size", [2, 3, 5])
def test_large_model_shared_is_alone(
    ranks: Ranks, size: int, attention: str, feed_forward: str, bits: int, batch: int, bound: float
) -> None:
    config = dataclasses.replace(both.LARGE, attention=attention, feed_forward=feed_forward)
    alone = both.play_large(config, bits, batch, torch.float32, ALONE)
    assert alone.diff(dim=0).flatten(1).norm(dim=1).min() > 0.1 * alone[0].norm()  # frames change, so caches matter
    numbers = range(size)
    ranks.group(numbers)
    ranks.ask(numbers, "large", config, bits, batch, torch.float32)
    for rank, (made, sent, exchanges) in enumerate(ranks.results(numbers)):
        assert error_of(made, alone) < bound
        assert exchanges == FRAMES * diffusion_exchanges(config)
        assert sent == FRAMES * batch * diffusion_sent_bytes(config, size, rank, size=4)
        if rank == 0:
            first = made
        assert (made == first).all()  # bit for bit, on all of them


def test_in_bfloat16(ranks: Ranks) -> None:
    """gloo sends bytes, whatever they are. Against one device in bfloat16, near as that is to float32."""
    alone = both.play_large(both.LARGE, 16, 1, torch.bfloat16, ALONE)
    exact = both.play_large(both.LARGE, 16, 1, torch.float32, ALONE)
    ranks.group(range(3))
    ranks.ask(range(3), "large", both.LARGE, 16, 1, torch.bfloat16)
    rounding = error_of(alone, exact)
    for rank, (made, sent, _) in enumerate(ranks.results(range(3))):
        assert error_of(made, exact) < 2 * rounding
        assert sent == FRAMES * diffusion_sent_bytes(both.LARGE, 3, rank, size=2)


@pytest.mark.parametrize(
    ("keeping", "batch", "whole", "bound"),
    [
        pytest.param(Keeping.FULL, 2, False, BOUND, id="two rows"),
        pytest.param(Keeping.FULL, 1, True, BOUND, id="all remember everything"),
        pytest.param(Keeping.INT8, 1, False, 1e-3, id="8 bits"),
    ],
)
@pytest.mark.parametrize("size", [2, 3, 5])
def test_world_shared_is_alone(
    ranks: Ranks, size: int, keeping: Keeping, batch: int, whole: bool, bound: float
) -> None:
    alone = both.play_world(both.WORLD, keeping, batch, whole, ALONE)
    assert alone.diff(dim=0).flatten(1).norm(dim=1).min() > 0.1 * alone[0].norm()
    coarse = both.play_world(both.WORLD, Keeping.INT4, batch, whole, ALONE)
    assert error_of(coarse, alone) > 3 * bound  # what is remembered is seen in the frames
    ranks.group(range(size))
    ranks.ask(range(size), "world", both.WORLD, keeping, batch, whole)
    for rank, (made, sent, exchanges) in enumerate(ranks.results(range(size))):
        assert error_of(made, alone) < bound
        assert exchanges == FRAMES * world_exchanges(both.WORLD)
        assert sent == FRAMES * batch * world_sent_bytes(both.WORLD, size, rank)


def alone_frames(first: int, frames: int) -> Tensor:
    """The newest of so many frames of the two sessions that ranks play."""
    model = both.large_model(both.LARGE)
    state = model.new_state(2)
    made = [model.step(state, *both.large_inputs(both.LARGE, frame, 2)) for frame in range(first + frames)]
    return torch.stack(made[first:])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_lost_rank_is_noticed_and_the_others_go_on(ranks: Ranks, how: signal.Signals) -> None:
    """Three ranks play; the last one goes in the middle. The two that are left go on from the head's newest frames,
    where the group had been, and a fresh one joins them later. Last in this module: processes are used up."""
    lost = 4 if how is signal.SIGKILL else 3
    playing, left = [0, 1, lost], [0, 1]
    ranks.group(playing)
    ranks.ask(playing, "play_until_lost", both.LARGE, 100_000)
    time.sleep(0.6)
    os.kill(ranks.pids[lost], how)
    gone = time.time()
    outcomes = ranks.results(left)
    for frames, when, said in outcomes:
        assert frames > 3 and -0.1 < when - gone < 2, (frames, when - gone)
        assert "form a new group of those that are left" in said
    ranks.ask([0], "pasts")
    (pasts,) = ranks.results([0])
    head = outcomes[0][0]
    assert {name: past.count for name, past in pasts.items()} == {"a": head, "b": head}
    for going_on in (left, [0]) if how is signal.SIGSTOP else (left, [0, 1, 2]):
        ranks.group(going_on)
        ranks.ask(going_on, "go_on", both.LARGE, pasts, head, 4)
        expected = alone_frames(head, 4)
        assert all(error_of(made, expected) < BOUND for made in ranks.results(going_on))


def test_a_rank_that_does_not_come(ranks: Ranks) -> None:
    ranks.ask([0], "join", "never whole", 0, 2, 0.5)
    fine, said = ranks.answer(0)
    assert not fine and "not all of 2 ranks came within 0.5 s" in said
