"""Replicas on a Ray cluster of several nodes, which are raylets of this machine."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dreamcade.cluster.ray_cluster import HERE, OBJECT_STORE, RayCluster
from dreamcade.cluster.ray_hosts import RayHosts
from dreamcade.core.errors import BadInputError, WorldError
from dreamcade.engine import EncodedFrame, Engine
from dreamcade.server.encoding import encode_jpeg
from dreamcade.server.gateway import Gateway
from dreamcade.server.replicated import ReplicaSettings, Size, load_replicated
from dreamcade.world import World

pytestmark = pytest.mark.slow
SETTINGS = ReplicaSettings(device="cpu", kernels="reference")
PATIENCE = 60.0


def wait_for(true: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    end = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.02)
    assert found, "it did not come"
    return found


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A head that runs nothing, and two nodes of one CPU each."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "OMP_NUM_THREADS": "1"}
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'dreamcade[cluster]'")
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        cluster.add_node(num_cpus=0, include_dashboard=False, object_store_memory=OBJECT_STORE, node_ip_address=HERE)
        for _ in range(2):
            add_node(cluster, 1)
        yield cluster
    finally:
        import ray

        pids = [node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()]
        ray.shutdown()
        cluster.shutdown()
        wait_for(lambda: not any(is_running(pid) for pid in pids), 20.0)


def add_node(cluster: Any, cpus: int) -> Any:
    return cluster.add_node(num_cpus=cpus, object_store_memory=OBJECT_STORE, node_ip_address=HERE)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def ray_cluster(nodes: Any) -> Iterator[RayCluster]:
    joined = RayCluster.join(nodes.address)
    yield joined
    joined.close()


@pytest.fixture(scope="module")
def folder(tiny_world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worlds") / "toy"
    dataclasses.replace(tiny_world, manifest=dataclasses.replace(tiny_world.manifest, tick_rate=20.0)).save(folder)
    return folder


def test_clusters_that_cannot_play_are_refused(ray_cluster: RayCluster, folder: Path, tmp_path: Path) -> None:
    ray_cluster.check([str(folder)], SETTINGS.need, 2)
    with pytest.raises(BadInputError, match="3 replicas need 1 CPU each; the cluster has room for 2"):
        ray_cluster.check([str(folder)], SETTINGS.need, 3)
    pipeline = dataclasses.replace(SETTINGS, devices="cpu:2")
    with pytest.raises(BadInputError, match="1 replicas need 2 × 1 CPU on one node each; the cluster has room for 0"):
        ray_cluster.check([str(folder)], pipeline.need, 1)
    shutil.copytree(folder, tmp_path / "toy")
    (tmp_path / "toy" / "world.json").unlink()
    with pytest.raises(WorldError, match=r"cannot read world .*world.json"):
        ray_cluster.check([str(tmp_path / "toy")], SETTINGS.need, 1)


class Player:
    def __init__(self, gateway: Gateway, seed: int) -> None:
        self.seed, self.sequence = seed, 0
        self.frames: list[EncodedFrame] = []
        self.errors: list[Exception] = []
        self.notices: list[str] = []
        self.actions: dict[int, np.ndarray] = {}
        self.play = gateway.open_session(seed=seed, start="left")
        journal, add = self.play._journal, self.play._journal.add

        def keep(entry: Any) -> None:
            self.actions[entry.tick] = entry.action
            add(entry)

        journal.add = keep  # type: ignore[method-assign]
        gateway.attach(self.play, self.frames.append, self.errors.append, self.notices.append)

    def press(self) -> None:
        self.sequence += 1
        action = np.array([(-1.0, 0.0, 1.0)[self.sequence // 4 % 3], self.sequence % 2], np.float32)
        self.play.input(action, self.sequence, 0.0)

    def check(self, world: World) -> None:
        """In order, nothing twice, and as a twin that was never disturbed."""
        assert self.errors == []
        shown = list(self.frames)
        ticks = [frame.tick for frame in shown]
        assert ticks == sorted(set(ticks))
        twin = Engine(world, "cpu", kernels="reference").open_session(seed=self.seed, start="left")
        expected = {0: encode_jpeg(twin.frame.pixels)}
        for tick in range(1, ticks[-1] + 1):
            expected[tick] = encode_jpeg(twin.step(self.actions[tick]).pixels)
        assert [frame.tick for frame in shown if frame.data != expected[frame.tick]] == []


def play_on(players: list[Player], ticks: int) -> None:
    goals = [len(player.frames) + ticks for player in players]
    end = time.monotonic() + PATIENCE
    while any(len(player.frames) < goal for player, goal in zip(players, goals, strict=True)):
        assert time.monotonic() < end, "play does not go on"
        for player in players:
            player.press()
        time.sleep(0.05)


def raylet_of(gateway: Gateway, name: str | None) -> int:
    """The process that started a replica: its node's."""
    pid = next(replica["pid"] for replica in gateway.status()["replicas"] if replica["name"] == name)
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def kill_node(raylet: int) -> None:
    """All of a machine at once."""
    children = [int(pid) for pid in Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()]
    for pid in (raylet, *children):
        os.kill(pid, signal.SIGKILL)


def ready(gateway: Gateway) -> list[dict[str, Any]]:
    return [replica for replica in gateway.status()["replicas"] if replica["state"] == "ready"]


def test_a_node_is_lost_in_the_middle_of_play(nodes: Any, ray_cluster: RayCluster, folder: Path) -> None:
    """Its players go on at the other node; when there is a node again, it gets a replica."""
    stage = load_replicated(str(folder), RayHosts(SETTINGS.need), SETTINGS, Size(2, 2), ray_cluster.address)
    gateway = stage.engine
    assert isinstance(gateway, Gateway)
    try:
        wait_for(lambda: len(ready(gateway)) == 2)
        players = [Player(gateway, seed) for seed in range(3)]
        play_on(players, 10)
        where = [session["replica"] for session in gateway.status()["sessions"]]
        raylets = {name: raylet_of(gateway, name) for name in set(where)}
        assert len(set(raylets.values())) == 2  # one replica on each node
        victim = where[0]
        lost = next(n for n in nodes.worker_nodes if n.all_processes["raylet"][0].process.pid == raylets[victim])
        began = time.monotonic()
        kill_node(raylets[victim])
        wait_for(lambda: victim not in [replica["name"] for replica in gateway.status()["replicas"]])
        noticed = time.monotonic() - began
        play_on(players, 15)
        assert noticed < 20.0  # a second, and what a busy machine adds
        for player, replica in zip(players, where, strict=True):
            player.check(stage.world)  # type: ignore[arg-type]
            assert len(player.notices) == player.play.moves == (replica == victim)
        nodes.remove_node(lost, allow_graceful=False)
        add_node(nodes, 1)
        wait_for(lambda: len(ready(gateway)) == 2)
        play_on(players, 5)
    finally:
        stage.loop.stop()


def test_scale_out_and_in_and_a_pipeline_of_actors(nodes: Any, ray_cluster: RayCluster, folder: Path) -> None:
    """Replicas of two actors each, one that dreams and one that draws; a second one while there are players for it."""
    import ray

    def free() -> float:
        return float(ray.available_resources().get("CPU", 0.0))

    add_node(nodes, 2)
    add_node(nodes, 2)
    wait_for(lambda: free() == ray.cluster_resources()["CPU"])
    all_cpus = free()
    settings = dataclasses.replace(SETTINGS, devices="cpu:2", most=2)
    ray_cluster.check([str(folder)], settings.need, 2)
    stage = load_replicated(str(folder), RayHosts(settings.need), settings, Size(1, 2, calm=1.0), ray_cluster.address)
    gateway = stage.engine
    assert isinstance(gateway, Gateway)
    try:
        wait_for(lambda: free() == all_cpus - 2)
        players = [Player(gateway, 0)]
        play_on(players, 5)
        assert len(gateway.status()["replicas"]) == 1
        players.append(Player(gateway, 1))
        wait_for(lambda: len(ready(gateway)) == 2)
        wait_for(lambda: free() == all_cpus - 4)
        play_on(players, 5)
        for player in players:
            player.check(stage.world)  # type: ignore[arg-type]
        players.pop().play.close()
        wait_for(lambda: len(gateway.status()["replicas"]) == 1)
        wait_for(lambda: free() == all_cpus - 2)
        play_on(players, 5)
        assert players[0].errors == players[0].notices == []
    finally:
        stage.loop.stop()
    wait_for(lambda: free() == all_cpus)
