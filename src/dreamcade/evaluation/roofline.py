"""Where a model's milliseconds go, against what the machine could do: the roofline (Williams et al., 2009).

An operation of F floating-point operations on B bytes takes at least max(F / peak, B / bandwidth). Where F/B lies below
the ridge, peak / bandwidth, it waits for memory, however fast the machine multiplies. Bytes are those of tensors
(`roofline_counts.py`): where all that a stage touches fits the last cache, its bandwidth is the cache's.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.ceilings import Ceilings, clock, dtype_name, finish, measure_ceilings
from dreamcade.evaluation.machine import machine_name
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.roofline_trace import Call, Trace, time_calls, trace
from dreamcade.kernels.choice import Kernels, using

WARM_UPS = 3
_SHORT = {"scaled_dot_product_attention": "sdpa"}


@dataclass(frozen=True, slots=True)
class Operations:
    """All calls of one operation by one module (the same one of every block counts as one), in one run of a stage."""

    name: str
    dtype: torch.dtype
    calls: int
    flops: int
    bytes: int
    seconds: float
    least_seconds: float
    """By the ceilings: the sum over calls of max(F / peak, B / bandwidth)."""

    @property
    def intensity(self) -> float:
        """FLOP per byte."""
        return self.flops / self.bytes if self.bytes else 0.0

    @property
    def achieved(self) -> float:
        """How much of its ceiling it reaches, 0…1; more where a tensor lay nearer than its ceiling supposes."""
        return self.least_seconds / self.seconds if self.seconds else 0.0

    def bound(self, ridge: float) -> str:
        """What it waits for."""
        return "compute" if self.intensity >= ridge else "memory"


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of making a frame. `seconds` is the median of unwatched runs, `best_seconds` the shortest."""

    name: str
    seconds: float
    best_seconds: float
    waited: float
    """Share of the time that other programs had the one processor that computes; in no other figure. 0 for a GPU or
    several threads, where that cannot be told."""
    operations: tuple[Operations, ...]
    calls: int
    """Everything that PyTorch was asked for, views too."""
    call_seconds: float
    """What a call costs that does nothing; taken off every operation, and so part of the overhead."""
    footprint: int
    least_bytes: int
    """What had to move if no intermediate result ever left the chip."""
    cached: bool
    """Whether all that it touches fits the last cache."""

    @property
    def flops(self) -> int:
        return sum(one.flops for one in self.operations)

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.operations)

    @property
    def dtype(self) -> torch.dtype:
        """The number format of most of its FLOPs."""
        totals: dict[torch.dtype, int] = {}
        for one in self.operations:
            totals[one.dtype] = totals.get(one.dtype, 0) + one.flops
        return max(totals, key=lambda dtype: totals[dtype], default=torch.float32)

    @property
    def intensity(self) -> float:
        return self.flops / self.bytes if self.bytes else 0.0

    @property
    def fused_intensity(self) -> float:
        """FLOP per byte if no intermediate result ever left the chip."""
        return self.flops / self.least_bytes if self.least_bytes else 0.0

    @property
    def operation_seconds(self) -> float:
        return sum(one.seconds for one in self.operations)

    @property
    def overhead_seconds(self) -> float:
        """Time in no operation: Python, calls, views. Below 0 where operations were slower when watched."""
        return self.seconds - self.operation_seconds

    @property
    def least_seconds(self) -> float:
        """If every operation ran at its ceiling and nothing came between."""
        return sum(one.least_seconds for one in self.operations)

    def bound_seconds(self, ceilings: Ceilings, bound: str) -> float:
        """Time in operations that are bound by compute, or by memory."""
        ridges = {dtype: ceilings.ridge(dtype, self.cached) for dtype in {one.dtype for one in self.operations}}
        return sum(one.seconds for one in self.operations if one.bound(ridges[one.dtype]) == bound)

    def bound(self, ceilings: Ceilings) -> str:
        """What the stage as a whole waits for, by its FLOP per byte."""
        return "compute" if self.intensity >= ceilings.ridge(self.dtype, self.cached) else "memory"


@dataclass(frozen=True, slots=True)
class Roofline:
    """Stages against one machine's ceilings."""

    name: str
    stages: tuple[Stage, ...]
    ceilings: Ceilings
    device: torch.device
    machine: str
    threads: int
    repeats: int

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name, "machine": self.machine, "device": str(self.device), "threads": self.threads,
            "repeats": self.repeats, "kernels": str(Kernels.REFERENCE), "ceilings": self.ceilings.to_json(),
            "stages": {stage.name: _stage_json(stage, self.ceilings) for stage in self.stages},
        }  # fmt: skip


def measure_roofline(
    name: str,
    stages: Mapping[str, Callable[[], object]],
    modules: Mapping[str, nn.Module],
    device: torch.device,
    repeats: int = 15,
    progress: Progress = lambda what, done, total: None,
    ceilings: Callable[[torch.device, Iterable[torch.dtype]], Ceilings] = measure_ceilings,
) -> Roofline:
    """Counts and times every operation of every stage, and measures the machine's ceilings before and after.

    A stage is a function that can be run again and again; it runs without gradients, in this thread, on the reference
    kernels (a fused one is a single call that PyTorch does not see). `modules` give operations their names.

    Raises `BadInputError` where a stage runs other operations from one time to the next, or none.
    """
    with using(Kernels.REFERENCE), torch.inference_mode():
        traces = {stage: _look(stage, work, modules) for stage, work in stages.items()}
        formats = _formats([call for one in traces.values() for call in one.calls])
        progress("ceilings", 0, 2)
        before = ceilings(device, formats)
        progress("ceilings", 1, 2)
        timed = {stage: _time(stage, work, traces[stage], device, repeats, progress) for stage, work in stages.items()}
        best = before.or_better(ceilings(device, formats))
        progress("ceilings", 2, 2)
    measured = [_stage(stage, traces[stage], *timed[stage], best) for stage in stages]
    return Roofline(name, tuple(measured), best, device, machine_name(device), torch.get_num_threads(), repeats)


def _look(stage: str, work: Callable[[], object], modules: Mapping[str, nn.Module]) -> Trace:
    for _ in range(WARM_UPS):
        work()
    seen = trace(work, modules)
    if not any(call.work.bytes for call in seen.calls):
        raise BadInputError(f"stage {stage!r} ran no operation of PyTorch in this thread; nothing can be measured")
    return seen


def _formats(calls: Sequence[Call]) -> list[torch.dtype]:
    """The floating-point formats that are computed in, those with most FLOPs first; ceilings are measured for them."""
    totals: dict[torch.dtype, int] = {}
    for call in calls:
        if call.dtype.is_floating_point and call.work.flops:
            totals[call.dtype] = totals.get(call.dtype, 0) + call.work.flops
    return sorted(totals, key=lambda dtype: -totals[dtype]) or [torch.float32]


def _time(
    stage: str, work: Callable[[], object], seen: Trace, device: torch.device, repeats: int, progress: Progress
) -> tuple[list[float], float, list[float]]:
    """Seconds of every run of the stage unwatched, the share that it waited, and the median of each of its operations:
    one run of either kind after the other, so that whatever else the machine does meets both."""
    wholes, walls, calls, now = [], [], [], clock(device)
    for done in range(repeats):
        finish(device)
        began, wall = now(), time.perf_counter()
        work()
        finish(device)
        wholes.append(now() - began)
        walls.append(time.perf_counter() - wall)
        calls.append(time_calls(work, device))
        progress(stage, done + 1, repeats)
    if any(len(one) != len(seen.calls) for one in calls):
        raise BadInputError(f"stage {stage!r} runs other operations from one time to the next; make it repeatable")
    waited = max(0.0, 1 - sum(wholes) / sum(walls))
    return wholes, waited, [statistics.median(times) for times in zip(*calls, strict=True)]


def _stage(
    name: str, seen: Trace, wholes: Sequence[float], waited: float, times: Sequence[float], ceilings: Ceilings
) -> Stage:
    cached = seen.footprint <= ceilings.cache_bytes
    # What moves nothing shows what a call costs, where and when it happens; a tight loop of such calls is quicker.
    idle = [time for call, time in zip(seen.calls, times, strict=True) if not call.work.bytes]
    call_seconds = statistics.median(idle) if idle else min(times)
    groups: dict[tuple[str, torch.dtype], list[tuple[Call, float]]] = {}
    for call, spent in zip(seen.calls, times, strict=True):
        if call.work.bytes:
            groups.setdefault((group_name(call, name), call.dtype), []).append((call, max(0.0, spent - call_seconds)))
    operations = [_operations(*key, members, ceilings, cached) for key, members in groups.items()]
    operations.sort(key=lambda one: -one.seconds)
    return Stage(
        name,
        statistics.median(wholes),
        min(wholes),
        waited,
        tuple(operations),
        len(seen.calls),
        call_seconds,
        seen.footprint,
        seen.least_bytes,
        cached,
    )


def _operations(
    name: str, dtype: torch.dtype, members: Sequence[tuple[Call, float]], ceilings: Ceilings, cached: bool
) -> Operations:
    peak, bandwidth = ceilings.flops(dtype), ceilings.bandwidth(cached)
    return Operations(
        name,
        dtype,
        len(members),
        sum(call.work.flops for call, _ in members),
        sum(call.work.bytes for call, _ in members),
        sum(seconds for _, seconds in members),
        sum(max(call.work.flops / peak, call.work.bytes / bandwidth) for call, _ in members),
    )


def group_name(call: Call, stage: str) -> str:
    """`transformer.blocks.attention.qkv linear`: the module without its root and without numbers, and the operation;
    where no module was at work, the stage."""
    root, _, inner = call.path.partition(".")
    path = ".".join(part for part in inner.split(".") if part and not part.isdigit())
    return f"{path or root or stage} {_SHORT.get(call.name, call.name)}"


def _stage_json(stage: Stage, ceilings: Ceilings) -> dict[str, Any]:
    ridge = ceilings.ridge(stage.dtype, stage.cached)
    return {
        "ms": 1e3 * stage.seconds, "ms_best": 1e3 * stage.best_seconds, "waited": stage.waited,
        "operations_ms": 1e3 * stage.operation_seconds,
        "overhead_ms": 1e3 * stage.overhead_seconds, "least_ms": 1e3 * stage.least_seconds,
        "compute_bound_ms": 1e3 * stage.bound_seconds(ceilings, "compute"),
        "memory_bound_ms": 1e3 * stage.bound_seconds(ceilings, "memory"),
        "calls": stage.calls, "call_us": 1e6 * stage.call_seconds, "flops": stage.flops, "bytes": stage.bytes,
        "least_bytes": stage.least_bytes, "footprint_bytes": stage.footprint, "fits_cache": stage.cached,
        "flop_per_byte": stage.intensity, "flop_per_byte_fused": stage.fused_intensity, "ridge": ridge,
        "ridge_memory": ceilings.ridge(stage.dtype, False), "ridge_cache": ceilings.ridge(stage.dtype, True),
        "dtype": dtype_name(stage.dtype), "bound": stage.bound(ceilings),
        "operations": [_operations_json(one, stage, ceilings) for one in stage.operations],
    }  # fmt: skip


def _operations_json(one: Operations, stage: Stage, ceilings: Ceilings) -> dict[str, Any]:
    return {
        "name": one.name, "dtype": dtype_name(one.dtype), "calls": one.calls, "flops": one.flops, "bytes": one.bytes,
        "flop_per_byte": one.intensity, "ms": 1e3 * one.seconds, "least_ms": 1e3 * one.least_seconds,
        "achieved": one.achieved, "share": one.seconds / stage.seconds,
        "bound": one.bound(ceilings.ridge(one.dtype, stage.cached)),
    }  # fmt: skip
