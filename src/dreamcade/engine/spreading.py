"""From what a caller names as devices, and a plan, to the workers that an engine gets."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from dreamcade.cluster.devices import KINDS, DeviceGroup
from dreamcade.cluster.layout import Decoding, Layout
from dreamcade.cluster.plan import Plan
from dreamcade.cluster.planner import plan
from dreamcade.cluster.world_workload import world_workload
from dreamcade.core.device import cpu_threads, resolve_device
from dreamcade.core.errors import BadInputError
from dreamcade.world.aside import aside
from dreamcade.world.world import World

Devices = str | Sequence[str]
Replan = Callable[[int], Layout]
"""The best layout for so many devices."""
AUTO = "auto"
"""In place of a plan: the planner is asked."""
MOST_PER_CORE = 4
"""Processes on a CPU, for each of its cores: more of them only wait for each other."""
PROCESS_BYTES = 350e6
"""What a process with PyTorch takes before it has any weights (measured: 290 to 340 MB)."""
_COUNTED = re.compile(r"(cpu|cuda):(\d+)")


def name_devices(devices: Devices) -> tuple[str, ...]:
    """`cpu:3` or `cuda:2`, so many of a kind, or a list of names (`cpu`, `cuda:1`) → names, the engine's own first.

    Raises `BadInputError` for what is none, or for more than there are.
    """
    if isinstance(devices, str):
        counted = _COUNTED.fullmatch(devices)
        if counted is None or not int(counted[2]):
            raise BadInputError(f"devices are KIND:COUNT, such as cpu:3 or cuda:2; got {devices!r}")
        kind, count = counted[1], int(counted[2])
        _expect_count(kind, count)
        return ("cpu",) * count if kind == "cpu" else tuple(f"cuda:{number}" for number in range(count))
    names = tuple(devices)
    if not names or not all(isinstance(name, str) for name in names):
        raise BadInputError(f"devices are a list of names, such as ['cuda:0', 'cuda:1']; got {devices!r}")
    named = tuple(str(resolve_device(name)) for name in names)
    twice = sorted({name for name in named if name != "cpu" and named.count(name) > 1})
    if twice:
        raise BadInputError(f"each GPU can be named once; got {twice[0]} {named.count(twice[0])} times")
    _expect_count("cpu", named.count("cpu"))
    return named


def _expect_count(kind: str, count: int) -> None:
    there = torch.cuda.device_count() if kind == "cuda" else MOST_PER_CORE * cpu_threads()
    if count > there:
        why = (
            f"there are {there} CUDA devices"
            if kind == "cuda"
            else f"cores gain nothing from more ({cpu_threads()} here)"
        )
        what = f"at most {there}" if there else "cpu:N"
        raise BadInputError(f"{count} devices of kind {kind} were asked for and {why}; use {what}")


def planned(
    world: World, asked: Plan | Layout | str | None, devices: Sequence[str], steps: int
) -> tuple[Replan | None, Layout | None]:
    """What plans for so many of `devices`, where the planner is asked; and the layout, where there is a plan."""
    if isinstance(asked, str):
        if asked != AUTO:
            raise BadInputError(f"a plan is a Plan, a Layout or 'auto'; got {asked!r}; read a file with read_plan")
        replan = planner_of(world, devices, steps)
        return replan, replan(len(devices))
    return None, asked.layout if isinstance(asked, Plan) else asked


def planner_of(world: World, devices: Sequence[str], steps: int) -> Replan:
    """Asks the planner for the best layout for so many of `devices`, for one player.

    Raises `BadInputError` for devices of several kinds, or of one that the planner does not know.
    """
    kinds = {_kind_of(name) for name in devices}
    if len(kinds) > 1:
        raise BadInputError(f"the planner splits devices of one kind; got {', '.join(sorted(kinds))}; give it a plan")
    kind, workload = KINDS[kinds.pop()], aside(lambda: world_workload(world, steps))

    def best(count: int) -> Layout:
        return plan(workload, [DeviceGroup(kind, count)])[0].layout

    return best


def _kind_of(device: str) -> str:
    if device == "cpu":
        return "cpu-core"
    called = torch.cuda.get_device_name(torch.device(device)).lower()
    found = next((kind for kind in KINDS if kind.rpartition("-")[2] in called.replace(" ", "")), None)
    if found is None:
        raise BadInputError(
            f"the planner does not know a {called}; describe it and plan with: dreamcade plan WORLD "
            "--device-kinds FILE --devices KIND:N --json PLAN, and give that with --plan PLAN"
        )
    return found


def choose_layout(devices: int, layout: Layout | None) -> Layout:
    """The layout of one pipeline on so many devices; none given: one makes the latents, the others draw.

    Raises `BadInputError` where it needs more.
    """
    if layout is None:
        return Layout(shared=True) if devices == 1 else Layout(1, devices - 1)
    if layout.pipeline_devices > devices:
        raise BadInputError(
            f"the plan is for {layout.pipeline_devices} devices ({layout.split}) and {devices} are given; "
            "give more devices, or make another plan"
        )
    return dataclasses.replace(layout, replicas=1)


def expect_shares(world: World, layout: Layout) -> None:
    """Raises `BadInputError` where a pass or a picture of `world` has too few parts for a layout's devices."""
    heads, tokens = world.dynamics.config.heads, world.dynamics.config.tokens
    if layout.dit_devices > min(heads, tokens):
        raise BadInputError(
            f"world {world.manifest.name!r} has {heads} heads and {tokens} tokens to share among {layout.dit_devices} "
            f"devices; make its latents on at most {min(heads, tokens)}"
        )
    rows = world.codec.config.latent_shape[1]
    if layout.decoding == Decoding.SPATIAL and layout.decoder_devices > rows:
        raise BadInputError(
            f"world {world.manifest.name!r} has {rows} rows of latent cells to cut into {layout.decoder_devices} "
            "strips; use fewer decoders, or round-robin"
        )


def expect_memory(world: World, devices: Sequence[str]) -> None:
    """Raises `BadInputError` where a process on each of `devices` cannot hold its copy of the world."""
    modules = (world.codec, world.dynamics)
    weights = sum(t.numel() * t.element_size() for module in modules for t in module.state_dict().values())
    for device in sorted(set(devices)):
        count = list(devices).count(device)
        needed = count * (2 * weights + (PROCESS_BYTES if device == "cpu" else 0))
        there = _free_memory(device)
        if there is not None and needed > there:
            raise BadInputError(
                f"world {world.manifest.name!r} needs about {needed / 1e9:.1f} GB for {count} processes on {device} "
                f"and {there / 1e9:.1f} GB are free; use fewer devices"
            )


def _free_memory(device: str) -> float | None:
    if device.startswith("cuda"):
        return float(torch.cuda.mem_get_info(torch.device(device))[0])
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return 1024.0 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1])
    return None


@contextmanager
def folder_of(world: World) -> Iterator[Path]:
    """A folder that workers can read `world` from: where it came from, or, for one that was never saved, a copy."""
    if world.folder is not None:
        yield world.folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="dreamcade-world-") as folder:
        world.save(Path(folder) / "world", half=False)
        yield Path(folder) / "world"
