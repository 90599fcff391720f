"""`dreamcade serve`: worlds for many players, by replicas on this machine or on a Ray cluster."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from dreamcade.cli.options import Device, KernelPath, Steps
from dreamcade.core.errors import BadInputError

if TYPE_CHECKING:
    from dreamcade.cluster.hosts import Hosts
    from dreamcade.cluster.layout import Layout
    from dreamcade.cluster.ray_cluster import RayCluster
    from dreamcade.server.replicated import ReplicaSettings, Size
    from dreamcade.server.stage import Stage

AUTO = "auto"
MOST_REPLICAS = 4
"""With `--replicas auto`, where nobody says otherwise."""


def serve(
    worlds: Annotated[list[str] | None, typer.Argument(help="Shipped worlds or folders; none: all shipped.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets your network play.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes any free one.")] = 8710,
    replicas: Annotated[str | None, typer.Option(help="Of each world: a number, or auto (by load).")] = None,
    min_replicas: Annotated[int | None, typer.Option(help="With --replicas auto: at least (1).")] = None,
    max_replicas: Annotated[int | None, typer.Option(help=f"With --replicas auto: at most ({MOST_REPLICAS}).")] = None,
    players: Annotated[int, typer.Option(min=1, help="How many may play at once, in all worlds.")] = 16,
    cluster: Annotated[
        str | None, typer.Option(help="Replicas on Ray: auto (this machine's, or a new one), or its head's host:port.")
    ] = None,
    plan: Annotated[str | None, typer.Option(help="A file of dreamcade plan --json: devices and replicas.")] = None,
    device: Device = "auto",
    devices: Annotated[str | None, typer.Option(help="Of each replica, in place of --device: cpu:3, cuda:2.")] = None,
    steps: Steps = None,
    kernels: KernelPath = "auto",
    pipeline: Annotated[
        bool, typer.Option(help="Draw a frame while the next is dreamed, or one after the other.")
    ] = True,
) -> None:
    """Serve worlds to many players: each session stays with one replica, and goes on in another when that is lost.

    On a cluster every node needs the same versions and the same worlds; a replica takes one CPU or, with --device cuda,
    one GPU. /api/health tells where everything is.

    Example: dreamcade serve racing --replicas 2 --players 8
    Example: dreamcade serve racing --cluster 10.0.0.1:6379 --replicas auto --max-replicas 16 --device cuda
    """
    # Imported here: `dreamcade --help` needs neither a web server nor PyTorch.
    from dreamcade.kernels.names import Kernels
    from dreamcade.server.app import Limits
    from dreamcade.server.arcade import Arcade
    from dreamcade.server.listen import address_of, bind, network_address
    from dreamcade.server.listen import serve as listen

    Kernels.named(kernels)
    names, layout = _worlds_to_serve(worlds), _layout(plan)
    size = _size(replicas, min_replicas, max_replicas, layout)
    settings = _settings(device, devices, steps, kernels, pipeline, layout, size, cluster)
    with ExitStack() as stack:
        listener = stack.enter_context(bind(host, port))
        ray = _join(cluster, names, settings, size, stack) if cluster else None

        def load(name: str) -> Stage:
            from dreamcade.server.replicated import load_replicated

            stage = load_replicated(name, _hosts(ray, settings), settings, size, ray.address if ray else "127.0.0.1")
            typer.echo(f"{stage.world.manifest.title} is played by {stage.path}")
            return stage

        bound_port = listener.getsockname()[1]
        typer.echo(f"Dreamcade is at {address_of(host, bound_port)}   (Ctrl-C ends it)")
        if outside := network_address(host, bound_port):
            typer.echo(f"and for other machines at {outside}")
        listen(Arcade(lambda: names, load), listener, host, Limits(max_sessions=players))


def _worlds_to_serve(worlds: list[str] | None) -> list[str]:
    """Raises right away for a name that does not exist, a folder that is no world, or a world that is named twice."""
    from dreamcade.server.replicated import portable_name
    from dreamcade.world.manifest import read_manifest
    from dreamcade.world.shipped import locate, shipped_worlds

    names = [portable_name(name) for name in worlds or shipped_worlds()]
    if not names:
        raise BadInputError("no world is shipped with this build; name a folder: dreamcade serve FOLDER")
    titles = [read_manifest(locate(name)).name for name in names]
    if twice := sorted({title for title in titles if titles.count(title) > 1}):
        raise BadInputError(f"world {twice[0]!r} is named twice; name each world once")
    return names


def _layout(plan: str | None) -> Layout | None:
    from dreamcade.cluster.plan import read_plan

    return read_plan(plan).layout if plan is not None else None


def _size(replicas: str | None, least: int | None, most: int | None, layout: Layout | None) -> Size:
    from dreamcade.server.replicated import Size

    if replicas == AUTO:
        least = 1 if least is None else least
        most = max(least, MOST_REPLICAS) if most is None else most
        if not 1 <= least <= most:
            raise BadInputError(
                f"replicas range from --min-replicas ({least}) up to --max-replicas ({most}), at least 1"
            )
        return Size(least, most)
    if least is not None or most is not None:
        raise BadInputError("--min-replicas and --max-replicas are for --replicas auto; give that too")
    if replicas is None:
        count = layout.replicas if layout is not None else 1
    elif replicas.isdigit() and int(replicas) > 0:
        count = int(replicas)
    else:
        raise BadInputError(f"--replicas is a number from 1 or auto; got {replicas!r}")
    return Size(count, count)


def _settings(
    device: str, devices: str | None, steps: int | None, kernels: str, pipeline: bool, layout: Layout | None,
    size: Size, cluster: str | None,
) -> ReplicaSettings:  # fmt: skip
    """Raises `BadInputError` for devices that are not here, where the replicas are to run here, or too few of them."""
    from dreamcade.core.device import resolve_device
    from dreamcade.engine.spreading import choose_layout, name_devices
    from dreamcade.server.replicated import ReplicaSettings, local_threads

    if layout is not None and devices is None:
        devices = f"{'cuda' if device.startswith('cuda') else 'cpu'}:{layout.pipeline_devices}"
    if cluster is None:
        choose_layout(1 if devices is None else len(name_devices(devices)), layout)
        resolve_device(device)
    threads = local_threads(size.most) if cluster is None else None
    return ReplicaSettings(
        device, steps, kernels, pipeline, devices=devices, layout=layout and dataclasses.replace(layout, replicas=1),
        threads=threads,
    )  # fmt: skip


def _join(cluster: str, names: list[str], settings: ReplicaSettings, size: Size, stack: ExitStack) -> RayCluster:
    """Joins, and sees that every node can play what it is to play."""
    from dreamcade.cluster.ray_cluster import RayCluster

    ray = RayCluster.join(cluster)
    stack.callback(ray.close)
    ray.check(names, settings.need, size.least * len(names))
    return ray


def _hosts(ray: RayCluster | None, settings: ReplicaSettings) -> Hosts:
    from dreamcade.cluster.hosts import LocalHosts
    from dreamcade.cluster.ray_hosts import RayHosts

    return LocalHosts() if ray is None else RayHosts(settings.need)
