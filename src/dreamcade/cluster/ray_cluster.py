"""Joining a Ray cluster, or starting one on this machine, and whether it can play what it is meant to.

Everything that would fail later fails here, with one line. Ray reports to its makers unless it is told not to: it is.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import platform
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dreamcade.cluster.ray_messages import keep_deaths_back, quiet
from dreamcade.cluster.wire import PROTOCOL
from dreamcade.core.errors import BadInputError, MissingExtraError, WorldError

CONNECT_SECONDS = 5.0
"""How long a cluster's address may take to answer."""
JOIN_SECONDS = 30.0
"""How long Ray may take to join what has answered, or a node to be looked at."""
OBJECT_STORE = 80 * 1024 * 1024
"""Bytes; the least that Ray takes. Frames and latents go over connections of our own."""
NAMESPACE = "dreamcade"
HERE = "127.0.0.1"
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # or it warns of what it may do one day
    "RAY_NUM_REDIS_GET_RETRIES": f"{CONNECT_SECONDS:.0f}",  # a second each
}
_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""As where firewalls ask (hence its name): a cluster of one machine listens to that machine only."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one pipeline needs on a cluster, on one node: `bundles`, each for an actor, of so many CPUs and GPUs."""

    bundles: int = 1
    cpus: float = 1.0
    gpus: float = 0.0

    def __str__(self) -> str:
        what = " and ".join(f"{count:g} {kind}" for count, kind in ((self.cpus, "CPU"), (self.gpus, "GPU")) if count)
        return what if self.bundles == 1 else f"{self.bundles} × {what} on one node"


class RayCluster:
    """A connection to Ray; `address` is this machine's, by which its nodes reach it."""

    def __init__(self, address: str) -> None:
        self.address = address

    @classmethod
    def join(cls, where: str, cpus: int | None = None) -> RayCluster:
        """`auto`: the cluster that RAY_ADDRESS or `ray start` on this machine names, or a new one on this machine alone
        (with `cpus`, by default all), which ends with this process. Else the cluster at an address, host:port.

        Raises `MissingExtraError`, and `BadInputError` for an address that does not answer or another version of Ray.
        """
        if importlib.util.find_spec("ray") is None:
            raise MissingExtraError("--cluster", "cluster")
        os.environ |= _ENVIRONMENT
        address = _known_address() if where == "auto" else where
        if address is None:
            _start(cpus)
            return cls(HERE)
        _expect_answer(address)
        with quiet():
            _bounded(lambda: _init(address=address), f"the Ray cluster at {address}")
        from ray._private.services import get_node_ip_address

        return cls(str(get_node_ip_address()))  # type: ignore[no-untyped-call]

    def check(self, worlds: Sequence[str], need: Need, replicas: int) -> None:
        """Raises `BadInputError` or `WorldError` where a node runs other versions, cannot read one of `worlds` (names
        or folders), or where there is no place for `replicas` pipelines that each `need` so much."""
        ours, reports = describe_node(worlds), self._reports(worlds)
        for node, theirs in reports.items():
            _compare(node, ours, theirs)
        nodes = [dict(resources) for resources in self._resources().values()]
        placed = place_all(nodes, need, replicas)
        if placed < replicas:
            there = ", ".join(
                f"{n.get('CPU', 0):g} CPU and {n.get('GPU', 0):g} GPU" for n in self._resources().values()
            )
            raise BadInputError(
                f"{replicas} replicas need {need} each; the cluster has room for {placed} (nodes with {there}); "
                "add nodes, or use fewer replicas or devices"
            )

    def close(self) -> None:
        """Leaves; a cluster that was started here ends."""
        import ray

        ray.shutdown()

    def _reports(self, worlds: Sequence[str]) -> dict[str, dict[str, Any]]:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        look, asked = ray.remote(describe_node), {}
        for node in self._resources():
            where = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
            asked[node] = look.options(num_cpus=0, scheduling_strategy=where, max_retries=0).remote(list(worlds))
        reports = {}
        for node, report in asked.items():
            try:
                reports[node] = ray.get(report, timeout=JOIN_SECONDS)
            except ray.exceptions.GetTimeoutError as error:
                raise BadInputError(
                    f"node {node[:8]} of the cluster does not answer; end it, or start it again"
                ) from error
            except ray.exceptions.RayError as error:
                line = (str(error).strip() or type(error).__name__).splitlines()[-1]
                raise BadInputError(
                    f"node {node[:8]} of the cluster cannot run dreamcade ({line}); install the same version there"
                ) from error
        return reports

    def _resources(self) -> dict[str, dict[str, float]]:
        """Of each living node."""
        import ray

        return {node["NodeID"]: dict(node["Resources"]) for node in ray.nodes() if node["Alive"]}  # type: ignore[no-untyped-call]


def describe_node(worlds: Sequence[str]) -> dict[str, Any]:
    """What a node has: versions, and of each world a hash of its manifest (which hashes all its files) or what is
    wrong with it. Runs on every node."""
    import ray

    from dreamcade.world.manifest import MANIFEST_FILE
    from dreamcade.world.shipped import locate

    found: dict[str, Any] = {}
    for world in worlds:
        try:
            found[world] = hashlib.sha256((Path(locate(world)) / MANIFEST_FILE).read_bytes()).hexdigest()
        except Exception as error:
            found[world] = f"error: {' '.join(str(error).split())}"
    versions = {
        "python": platform.python_version(),
        "ray": ray.__version__,
        "dreamcade": f"{version('dreamcade')}, protocol {PROTOCOL}",
    }
    return {"node": platform.node(), "versions": versions, "worlds": found}


def place_all(nodes: Sequence[Mapping[str, float]], need: Need, replicas: int) -> int:
    """How many of `replicas` pipelines fit on nodes with these resources."""
    each = {"CPU": need.bundles * need.cpus, "GPU": need.bundles * need.gpus}
    rooms = [min(int(node.get(kind, 0.0) / much + 1e-9) for kind, much in each.items() if much) for node in nodes]
    return min(replicas, sum(rooms))


def _compare(node: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    name = f"node {theirs['node']} ({node[:8]})"
    for what, mine in ours["versions"].items():
        if theirs["versions"].get(what) != mine:
            raise BadInputError(f"{name} runs {what} {theirs['versions'].get(what)}, and this machine {mine}; "
                                "every node needs the same")  # fmt: skip
    for world, mine in ours["worlds"].items():
        if theirs["worlds"][world].startswith("error: "):
            reason = theirs["worlds"][world].removeprefix("error: ")
            raise WorldError(f"{name} cannot read world {world}: {reason}; put it there under the same path")
        if theirs["worlds"][world] != mine:
            raise WorldError(f"{name} has another world under {world}; give every node the same files")


def _known_address() -> str | None:
    """Of the cluster that this machine belongs to, if it does and it answers."""
    if address := os.environ.get("RAY_ADDRESS"):
        return address
    note = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"
    try:
        address = note.read_text().strip()
        _expect_answer(address)
    except (OSError, BadInputError):  # none was started, or it is long gone
        return None
    return address


def _expect_answer(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in address:
        raise BadInputError(f"a Ray cluster is host:port (its head's, usually port 6379) or auto; got {address!r}")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise BadInputError(
            f"no Ray cluster answers at {address} ({error}); start one with: ray start --head, or use --cluster auto"
        ) from error


def _start(cpus: int | None) -> None:
    os.environ |= _ALONE
    _init(num_cpus=cpus, include_dashboard=False, object_store_memory=OBJECT_STORE)


def _init(**options: Any) -> None:
    import ray

    keep_deaths_back()
    ray.init(namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR, **options)


def _bounded(join: Any, what: str) -> None:
    """Ray tries for long; nobody waits for it longer than `JOIN_SECONDS`."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            join()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="dreamcade-ray", daemon=True)
    thread.start()
    thread.join(JOIN_SECONDS)
    if thread.is_alive():
        raise BadInputError(f"{what} does not let this process in within {JOIN_SECONDS:.0f} s; is it a Ray cluster?")
    if failed:
        line = " ".join(str(failed[0]).split()) or type(failed[0]).__name__
        raise BadInputError(f"cannot join {what}: {line}") from failed[0]
