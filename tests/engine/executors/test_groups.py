"""Passes and pictures that several processes share, engines that cannot begin, and what is left of them all."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
import torch

from dreamcade.cluster.hosts import Errand, Host, LocalHosts
from dreamcade.cluster.layout import Layout
from dreamcade.cluster.member import Member
from dreamcade.cluster.wire import Message
from dreamcade.core.errors import BadInputError, RankLostError
from dreamcade.core.types import ActionVector
from dreamcade.engine import Engine, Session, spreading
from dreamcade.engine.executors import groups
from dreamcade.engine.executors.groups import Groups
from dreamcade.engine.executors.part import Part
from dreamcade.engine.executors.spread import SpreadExecutor
from dreamcade.world import World

NOTICED = 5.0
"""Seconds within which a loss must be noticed: 0.6 (tests/cluster/test_pulse.py), and what a busy machine adds."""
PYTORCHS = 2
"""File descriptors that PyTorch keeps for a process once it has been in a group: a pipe, however many groups follow."""


def spread(world: World, plan: Layout) -> Engine:
    devices = ["cpu"] * plan.pipeline_devices
    return Engine(world, devices=devices, plan=plan, dtype=torch.float32, kernels="reference", replace=False)


def wait_for(true: Callable[[], bool], seconds: float = 20.0) -> None:
    began = time.monotonic()
    while not true():
        assert time.monotonic() < began + seconds, "it never came"
        time.sleep(0.005)


class Traces:
    """What this process holds: whether all of it is given back."""

    def __init__(self) -> None:
        self.threads = set(threading.enumerate())
        self.files = self._files()

    def expect_nothing_left(self, left: Sequence[int]) -> None:
        wait_for(lambda: not {t for t in threading.enumerate() if t.is_alive()} - self.threads, 5)
        assert not [pid for pid in left if Path(f"/proc/{pid}").exists()], "processes"
        gc.collect()
        wait_for(lambda: self._files() <= self.files + PYTORCHS, 5)

    @staticmethod
    def _files() -> int:
        return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize(
    ("plan", "shipped", "how"),
    [
        (Layout(2, 1), False, signal.SIGKILL),
        (Layout(3, 1), True, signal.SIGSTOP),
        (Layout(1, 2, "spatial"), False, signal.SIGSTOP),
    ],
    ids=["two make passes", "three make passes", "strips"],
)
def test_groups_share_passes_and_pictures_and_survive(
    tiny_world: World, plan: Layout, shipped: bool, how: signal.Signals
) -> None:
    """Ulysses and strips: the frames of one device up to rounding, before and after a rank is lost."""
    traces, world = Traces(), World.load("racing") if shipped else tiny_world
    twin = Engine(world, device="cpu", dtype=torch.float32, kernels="reference").open_session(seed=3)
    engine = spread(world, plan)
    executor, session = engine.passes.executor, engine.open_session(seed=3)
    assert isinstance(executor, SpreadExecutor)
    everybody, groups = [worker.host.pid or 0 for worker in executor.workers], executor._groups
    assert groups is not None
    assert len(groups._ranks) == plan.dit_devices - 1 and groups.shares_pictures == (plan.decoding == "spatial")
    idle = world.controls.idle()
    compare(session, twin, idle, 5 if shipped else 30)
    os.kill(everybody[0], how)
    began = time.monotonic()
    compare(session, twin, idle, 1)
    assert time.monotonic() - began < NOTICED
    wait_for(lambda: executor.layout != plan, 5)
    groups.settle()
    assert len(groups._ranks) == max(0, plan.dit_devices - 2), "the survivors share passes"
    compare(session, twin, idle, 5 if shipped else 30)
    engine.close()
    engine.close()
    compare(session, twin, idle, 1)
    traces.expect_nothing_left(everybody)


def compare(session: Session, twin: Session, action: ActionVector, ticks: int) -> None:
    for _ in range(ticks):
        got, right = session.step(action).pixels.astype(int), twin.step(action).pixels
        assert np.abs(got - right).max() <= 2 and np.abs(got - right).mean() < 0.01, "up to rounding"


@pytest.mark.parametrize(
    ("devices", "plan", "says"),
    [
        ("cuda:9", None, "9 devices of kind cuda were asked for and there are"),
        ("cpu:999", None, "gain nothing from more"),
        ("tpu:2", None, "devices are KIND:COUNT, such as cpu:3 or cuda:2; got 'tpu:2'"),
        ("cpu:2", Layout(2, 3), r"the plan is for 5 devices \(2\+3\) and 2 are given"),
        (["cpu", "gpu0"], None, "unknown device 'gpu0'"),
        ("cpu:4", Layout(3, 1), "has 2 heads and 6 tokens to share among 3 devices; make its latents on at most 2"),
        ("cpu:8", Layout(1, 7, "spatial"), "rows of latent cells to cut into 7 strips"),
    ],
)
def test_bad_devices_are_refused_at_once(
    tiny_world: World, devices: str, plan: Layout | None, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreading, "cpu_threads", lambda: 2)  # whatever this machine has
    with pytest.raises(BadInputError, match=says):
        Engine(tiny_world, devices=devices, plan=plan)


def test_a_world_that_is_another_for_the_workers(tiny_world: World, tmp_path: Path) -> None:
    saved = tiny_world.save(tmp_path / "toy")  # in half precision: not the weights that play here
    traces = Traces()
    with pytest.raises(BadInputError, match="a world that the workers cannot read as the engine has it"):
        Engine(saved, devices="cpu:2", kernels="reference")
    traces.expect_nothing_left([])


class OldHosts(LocalHosts):
    def start(self, errand: Errand) -> Host:
        environment = {**errand.environment, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
        return super().start(Errand(errand.name, "old_worker:run", errand.arguments, environment=environment))


def test_a_worker_of_another_version(tiny_world: World, capfd: pytest.CaptureFixture[str]) -> None:
    traces = Traces()
    says = r"worker 1 cannot begin: it runs dreamcade 0\.0\.1, protocol \d+; here is dreamcade \S+, protocol \d+$"
    with pytest.raises(BadInputError, match=says):
        Engine(tiny_world, devices="cpu:2", kernels="reference", hosts=OldHosts())
    traces.expect_nothing_left([])
    assert capfd.readouterr().err == "", "the worker says nothing of its own"


def test_a_world_that_does_not_fit(tiny_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamcade.engine.spreading._free_memory", lambda device: 1e6)
    with pytest.raises(BadInputError, match=r"needs about 0\.4 GB for 1 processes on cpu and 0\.0 GB are free"):
        Engine(tiny_world, devices="cpu:2", kernels="reference")


class BusyPart(Part):
    """Its ranks do not all come in time, but for the third time."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def join_passes(self, name: str, rank: int, size: int) -> None:
        self.asked.append(name)
        if len(self.asked) < 3:
            raise RankLostError("not all of 2 ranks came")

    def leave_passes(self) -> None: ...
    def close(self) -> None: ...


class Willing(Member):
    """A worker that does what it is asked."""

    def __init__(self) -> None:
        self.reason = None

    def ask(self, kind: str, *arguments: object, **options: object) -> Future[Message]:
        answer: Future[Message] = Future()
        answer.set_result(Message("done"))
        return answer


def test_a_group_that_was_too_busy_to_form_is_formed_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "_PAUSES", (0.01, 0.01, 60.0))
    part, member = BusyPart(), Willing()
    several = Groups(part, tokens=6)
    several.regroup(Layout(2, 1), [member], [])
    wait_for(lambda: several._ranks == (member,), 5)
    assert part.asked == ["passes 1", "passes 2", "passes 3"]
    part.asked.clear()
    several.regroup(Layout(2, 1), [Willing()], [])
    wait_for(lambda: bool(part.asked), 5)
    several.close()  # which does not wait for the next attempt
