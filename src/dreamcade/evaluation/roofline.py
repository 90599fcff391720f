"""Where a model's milliseconds go, against what the machine could do: the roofline (Williams et al., 2009).

An operation of F floating-point operations on B bytes takes at least max(F / peak, B / bandwidth). Where F/B lies below
the ridge, peak / bandwidth, it waits for memory, however fast the machine multiplies. Bytes are those of tensors
(`roofline_counts.py`): where all that a stage touches fits the last cache, its bandwidth is the cache's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from dreamcade.evaluation.ceilings import Ceilings, dtype_name
from dreamcade.kernels.names import Kernels


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
    played_seconds: float | None = None
    """The same work as the engine plays it on this machine, where that is another way; no operation of it is seen."""

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
    path: str = ""
    """What plays the stages, for people."""

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name, "machine": self.machine, "device": str(self.device), "threads": self.threads,
            "repeats": self.repeats, "kernels": str(Kernels.REFERENCE), "played_by": self.path,
            "ceilings": self.ceilings.to_json(),
            "stages": {stage.name: _stage_json(stage, self.ceilings) for stage in self.stages},
        }  # fmt: skip


def _stage_json(stage: Stage, ceilings: Ceilings) -> dict[str, Any]:
    ridge = ceilings.ridge(stage.dtype, stage.cached)
    return {
        "ms": 1e3 * stage.seconds, "ms_played": None if stage.played_seconds is None else 1e3 * stage.played_seconds,
        "ms_best": 1e3 * stage.best_seconds, "waited": stage.waited,
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
