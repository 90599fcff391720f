"""Processes of a Ray cluster: an errand runs in an actor, and each in a placement group that holds its pipeline."""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import signal
from typing import TYPE_CHECKING, Any

from dreamcade.cluster.hosts import Errand, Host
from dreamcade.cluster.ray_cluster import Need

if TYPE_CHECKING:
    from ray.util.placement_group import PlacementGroup


def pipeline_need(devices: int, on_gpus: bool) -> Need:
    """What a pipeline of so many devices needs of a cluster.

    All of it lies on one node. Dynamics devices exchange what they know in every layer of every pass, which takes one
    node's links; decoders could do with a network, but a pipeline is lost with any node that it lies on, and two nodes
    fail more often than one: sessions go on in another pipeline, which may lie anywhere. On CPUs each device is an
    actor of its own. GPUs are all given to the first, whose workers are its children: what CUDA calls its third device
    is the third only in a process that sees all of them.
    """
    return Need(1, float(devices), float(devices)) if on_gpus else Need(devices)


class Runner:
    """What an actor is: a process that runs one errand in one of its threads, and tells where it is in another."""

    def where(self) -> dict[str, Any]:
        return {"pid": os.getpid(), "node": platform.node()}

    def run(self, entry: str, arguments: dict[str, Any], environment: dict[str, str]) -> None:
        os.environ.update(environment)
        module, _, function = entry.partition(":")
        getattr(importlib.import_module(module), function)(**arguments)


class RayHost:
    """An actor and its placement group, which it leaves behind empty."""

    def __init__(self, errand: Errand, need: Need, group: PlacementGroup, bundle: int) -> None:
        import ray
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        self._errand, self._group, self._owns_group = errand, group, bundle == 0
        place = PlacementGroupSchedulingStrategy(placement_group=group, placement_group_bundle_index=bundle)
        actor: Any = ray.remote(Runner)
        self._actor = actor.options(
            num_cpus=need.cpus, num_gpus=need.gpus, max_restarts=0, max_concurrency=2, scheduling_strategy=place
        ).remote()
        self._where = self._actor.where.remote()
        self._run = self._actor.run.remote(errand.entry, dict(errand.arguments), dict(errand.environment))
        self._killed = False

    @property
    def name(self) -> str:
        return self._errand.name

    @property
    def pid(self) -> int | None:
        where = self._known()
        return int(where["pid"]) if where is not None and where["node"] == platform.node() else None

    def is_alive(self) -> bool:
        """Also while it waits for a place. The loss of a node shows here only when Ray notices, which takes it many
        seconds: whoever needs to know sooner listens to the process itself."""
        import ray

        if self._killed:
            return False
        done, _ = ray.wait([self._run], timeout=0)
        return not done

    def kill(self) -> None:
        import ray

        if self._killed:
            return
        self._killed = True
        if (pid := self.pid) is not None:  # Ray asks a process to end, which one that was stopped does not hear
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(Exception):  # it, its node, or the cluster is gone already
            ray.kill(self._actor, no_restart=True)
        if self._owns_group:
            with contextlib.suppress(Exception):
                ray.util.remove_placement_group(self._group)

    def _known(self) -> dict[str, Any] | None:
        import ray

        try:
            done, _ = ray.wait([self._where], timeout=0)
            return dict(ray.get(done[0])) if done else None
        except Exception:  # it never came up, or is gone
            return None


class RayHosts:
    """Starts each errand in bundle 0 of a placement group for a whole pipeline; its other bundles wait for the
    processes that the errand starts, in turn, by `PipelineHosts`."""

    def __init__(self, need: Need) -> None:
        self._need = need
        self._started: list[RayHost] = []

    def start(self, errand: Errand) -> Host:
        import ray

        bundle = {kind: count for kind, count in (("CPU", self._need.cpus), ("GPU", self._need.gpus)) if count}
        group = ray.util.placement_group([bundle] * self._need.bundles, strategy="STRICT_PACK")
        host = RayHost(errand, self._need, group, 0)
        self._started = [*(h for h in self._started if not h._killed), host]
        return host

    def close(self) -> None:
        for host in self._started:
            host.kill()
        self._started = []


class PipelineHosts:
    """Inside an errand of `RayHosts`: the bundles of its placement group that are left, in turn."""

    def __init__(self) -> None:
        import ray

        group = ray.util.get_current_placement_group()
        assert group is not None, "this process belongs to no placement group"
        self._group = group
        self._taken: dict[int, RayHost] = {}

    def start(self, errand: Errand) -> Host:
        free = (b for b in range(1, self._group.bundle_count) if b not in self._taken or not self._taken[b].is_alive())
        if (bundle := next(free, None)) is None:
            raise RuntimeError(f"all {self._group.bundle_count} places of this pipeline are taken")
        self._taken[bundle] = RayHost(errand, Need(cpus=errand.cpus, gpus=errand.gpus), self._group, bundle)
        return self._taken[bundle]

    def close(self) -> None:
        for host in self._taken.values():
            host.kill()
        self._taken = {}
