"""What a machine can do at best: multiply large matrices, and copy buffers larger or smaller than its cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

MATRIX = {"cpu": 1024, "cuda": 8192}
"""Side of the matrices."""
REPEATS = 12
"""Of each measurement; the best counts, for a ceiling is what nothing disturbs."""
FALLBACK_CACHE = 8 << 20
"""Bytes, where the machine does not tell."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """FLOP/s of large products by number format; bytes/s, read and written, of a copy in memory and in the cache."""

    compute: dict[torch.dtype, float]
    memory: float
    cache: float
    cache_bytes: int
    cache_known: bool

    def flops(self, dtype: torch.dtype) -> float:
        """FLOP/s of `dtype`, or, where that was not measured, of the slowest format that was."""
        return self.compute.get(dtype, min(self.compute.values()))

    def ridge(self, dtype: torch.dtype, cached: bool) -> float:
        """FLOP/byte below which moving takes longer than computing."""
        return self.flops(dtype) / self.bandwidth(cached)

    def bandwidth(self, cached: bool) -> float:
        """Bytes/s for data that fit the cache, or do not."""
        return max(self.cache, self.memory) if cached else self.memory

    def or_better(self, other: Ceilings) -> Ceilings:
        """The higher of two measurements of one machine."""
        both = {dtype: max(self.compute.get(dtype, 0.0), other.compute.get(dtype, 0.0)) for dtype in self.compute}
        return Ceilings(
            both | {d: f for d, f in other.compute.items() if d not in both},
            max(self.memory, other.memory),
            max(self.cache, other.cache),
            self.cache_bytes,
            self.cache_known,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "flops_per_second": {dtype_name(dtype): flops for dtype, flops in self.compute.items()},
            "memory_bytes_per_second": self.memory,
            "cache_bytes_per_second": self.cache,
            "cache_bytes": self.cache_bytes,
            "cache_known": self.cache_known,
        }


def measure_ceilings(
    device: torch.device, dtypes: Iterable[torch.dtype], matrix: int | None = None, repeats: int = REPEATS
) -> Ceilings:
    """Measures them on `device` with the threads that PyTorch is set to."""
    known = last_level_cache(device)
    cache = known or FALLBACK_CACHE
    side = matrix or MATRIX.get(device.type, MATRIX["cpu"])
    compute = {dtype: _products(device, dtype, side, repeats) for dtype in dict.fromkeys(dtypes)}
    memory, cached = (_copies(device, size, repeats) for size in (max(4 * cache, 64 << 20), cache // 8))
    return Ceilings(compute, memory, cached, cache, known is not None)


def last_level_cache(device: torch.device) -> int | None:
    """Bytes of the largest cache, where the machine tells."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).L2_cache_size)
    sizes = [_size(file) for file in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    return max(sizes, default=0) or None


def best_seconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """The shortest of `repeats` runs after a first one; on a GPU, each begins and ends with nothing under way."""
    work()
    best, now = float("inf"), clock(device)
    for _ in range(repeats):
        finish(device)
        began = now()
        work()
        finish(device)
        best = min(best, now() - began)
    return best


def clock(device: torch.device) -> Callable[[], float]:
    """Seconds: the processor's own where one thread computes alone, so that what other programs take of a shared
    machine does not count; else the wall's."""
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    return time.thread_time if alone else time.perf_counter


def finish(device: torch.device) -> None:
    """Waits until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def dtype_name(dtype: torch.dtype) -> str:
    """`bfloat16` for `torch.bfloat16`."""
    return str(dtype).removeprefix("torch.")


def _products(device: torch.device, dtype: torch.dtype, side: int, repeats: int) -> float:
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / best_seconds(lambda: left @ right, device, repeats)


def _copies(device: torch.device, size: int, repeats: int) -> float:
    source = torch.zeros(size // 4, device=device).fill_(1.0)
    target = torch.zeros_like(source)
    # A small copy is over before the clock has turned: many in a row, as many as fill some megabytes.
    rounds = max(1, (64 << 20) // size)

    def copy() -> None:
        for _ in range(rounds):
            target.copy_(source)

    return 2 * source.numel() * 4 * rounds / best_seconds(copy, device, repeats)


def _size(file: Path) -> int:
    text = file.read_text().strip()
    factor = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:], 1)
    return int(text.rstrip("KMG") or 0) * factor
