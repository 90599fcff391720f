"""Runs the stages of a model and finds what each operation did and took."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import nn

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.ceilings import Ceilings, clock, finish, measure_ceilings
from dreamcade.evaluation.machine import machine_name
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.roofline import Operations, Roofline, Stage
from dreamcade.evaluation.roofline_trace import Call, Trace, time_calls, trace
from dreamcade.kernels.choice import using
from dreamcade.kernels.names import Kernels

WARM_UPS = 3
_SHORT = {"scaled_dot_product_attention": "sdpa"}


def measure_roofline(
    name: str,
    stages: Mapping[str, Callable[[], object]],
    modules: Mapping[str, nn.Module],
    device: torch.device,
    repeats: int = 15,
    played: Mapping[str, Callable[[], object]] | None = None,
    path: str = "",
    progress: Progress = lambda what, done, total: None,
    ceilings: Callable[[torch.device, Iterable[torch.dtype]], Ceilings] = measure_ceilings,
) -> Roofline:
    """Counts and times every operation of every stage, and measures the machine's ceilings before and after.

    A stage is a function that can be run again and again; it runs without gradients, in this thread, on the reference
    kernels (a fused one is a single call that PyTorch does not see). `modules` give operations their names. `played`
    are the same stages as the engine plays them, by `path`: only their whole time is measured.

    Raises `BadInputError` where a stage runs other operations from one time to the next, or none.
    """
    with using(Kernels.REFERENCE), torch.inference_mode():
        traces = {stage: _look(stage, work, modules) for stage, work in stages.items()}
        formats = _formats([call for one in traces.values() for call in one.calls])
        progress("ceilings", 0, 2)
        before = ceilings(device, formats)
        progress("ceilings", 1, 2)
        timed = {stage: _time(stage, work, traces[stage], device, repeats, progress) for stage, work in stages.items()}
        fast = {stage: _time_whole(work, device, repeats) for stage, work in (played or {}).items()}
        best = before.or_better(ceilings(device, formats))
        progress("ceilings", 2, 2)
    measured = [
        dataclasses.replace(_stage(stage, traces[stage], *timed[stage], best), played_seconds=fast.get(stage))
        for stage in stages
    ]
    machine = machine_name(device)
    return Roofline(name, tuple(measured), best, device, machine, torch.get_num_threads(), repeats, path)


def _time_whole(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Median seconds by the wall's clock: a compiled network may compute in threads of its own."""
    taken = []
    for done in range(WARM_UPS + repeats):
        finish(device)
        began = time.perf_counter()
        work()
        finish(device)
        if done >= WARM_UPS:
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


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
