"""A world's stage with replicas behind a gateway, instead of an engine in this process."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from dreamcade.cluster.autoscaling import Autoscaler
from dreamcade.cluster.hosts import Errand, Hosts
from dreamcade.cluster.layout import Layout
from dreamcade.cluster.ray_cluster import Need
from dreamcade.cluster.ray_hosts import RayHosts, pipeline_need
from dreamcade.cluster.wire import Door
from dreamcade.core.device import cpu_threads
from dreamcade.core.errors import WorldError
from dreamcade.server.gateway import Gateway
from dreamcade.server.replica import MOST_SESSIONS
from dreamcade.server.stage import Stage
from dreamcade.world.shipped import locate, shipped_worlds
from dreamcade.world.world import World

EXPECTED = 4
"""Sessions of a replica as long as none has told what it can."""


@dataclass(frozen=True, slots=True)
class ReplicaSettings:
    """How each replica plays; as the options of `dreamcade play`. `devices` (`cpu:3`, in place of `device`) and
    `layout` as for `Engine`; `threads` is what it may use of its cores (None: all that it finds)."""

    device: str = "auto"
    steps: int | None = None
    kernels: str = "auto"
    pipeline: bool = True
    most: int = MOST_SESSIONS
    devices: str | None = None
    layout: Layout | None = None
    threads: int | None = None

    @property
    def need(self) -> Need:
        """Of each replica, on a cluster."""
        on_gpus = (self.devices or self.device).startswith("cuda")
        named = int(self.devices.rpartition(":")[2]) if self.devices else 1
        return pipeline_need(self.layout.pipeline_devices if self.layout else named, on_gpus)


@dataclass(frozen=True, slots=True)
class Size:
    """How many replicas: from `least` to `most`, fewer after `calm` seconds."""

    least: int = 1
    most: int = 1
    calm: float = 60.0


def portable_name(world: str) -> str:
    """What a process elsewhere finds the same world by: a shipped one's name, or the folder."""
    return world if world in shipped_worlds() else str(locate(world).resolve())


def local_threads(replicas: int) -> int | None:
    """Cores for each of `replicas` on this machine; None: all of them for the only one."""
    return None if replicas == 1 else max(1, cpu_threads() // replicas)


def load_replicated(
    name: str, hosts: Hosts, settings: ReplicaSettings, size: Size, door_host: str = "127.0.0.1"
) -> Stage:
    """Loads a world here, for its starts and its name, and starts replicas that play it; ends `hosts` when it stops.

    `door_host` is the address of this machine by which replicas reach it. Raises `WorldError`.
    """
    world = World.load(name)
    if not world.starts:
        raise WorldError(f"world {name!r} has no starts, so the page has nothing to begin from; build it with starts")
    token = secrets.token_urlsafe(24)
    door = Door(token, door_host)
    folder, on_ray = portable_name(name), isinstance(hosts, RayHosts)

    def errand(replica: str) -> Errand:
        arguments: dict[str, Any] = {
            "address": door.address, "token": token, "name": replica, "world": folder, "device": settings.device,
            "steps": settings.steps, "kernels": settings.kernels, "pipeline": settings.pipeline,
            "most": settings.most, "devices": settings.devices,
            "layout": None if settings.layout is None else settings.layout.to_json(), "on_ray": on_ray,
        }  # fmt: skip
        environment = {} if settings.threads is None else {"OMP_NUM_THREADS": str(settings.threads)}
        return Errand(replica, "dreamcade.server.replica:play", arguments, environment=environment)

    scaler = Autoscaler(size.least, size.most, size.calm, min(settings.most, EXPECTED))
    gateway = Gateway(world, hosts, door, errand, scaler)
    gateway.start()
    return Stage(world, gateway, gateway, gateway.path, status=gateway.status)
