"""How well a training uses its machine: frames a second, and its arithmetic beside a large matrix product's."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

T = TypeVar("T")

SIDES = {"cuda": 8192, "cpu": 1024}
"""Side of the matrices whose product tells what a device reaches."""


class Throughput:
    """Counts between two looks. A step's floating point operations are counted once, where it runs eagerly."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device, self._dtype = device, dtype
        self._flops = 0.0
        self._peak = 0.0
        self._frames, self._steps, self._seconds = 0, 0, 0.0

    def counted(self, work: Callable[[], T]) -> T:
        """Does `work`, a whole step forward and backward, and remembers how much it was."""
        with FlopCounterMode(display=False) as counter:
            done = work()
        self._flops = float(counter.get_total_flops())
        return done

    def add(self, frames: int, seconds: float) -> None:
        """One step on so many frames has taken so long."""
        self._frames, self._steps, self._seconds = self._frames + frames, self._steps + 1, self._seconds + seconds

    def take(self) -> dict[str, float]:
        """`frames_per_second`, `tflops` and `share_of_peak` since the last call; empty before the first step."""
        if not self._steps:
            return {}
        self._peak = self._peak or matmul_flops(self._device, self._dtype)
        speed = self._flops * self._steps / self._seconds
        figures = {"frames_per_second": self._frames / self._seconds}
        if self._flops:
            figures |= {"tflops": speed / 1e12, "share_of_peak": speed / self._peak}
        self._frames, self._steps, self._seconds = 0, 0, 0.0
        return figures


@torch.inference_mode()
def matmul_flops(device: torch.device, dtype: torch.dtype, tries: int = 5) -> float:
    """Operations a second of a large matrix product on `device`, the best of some tries."""
    side = SIDES[device.type]
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(tries + 1):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        began = time.perf_counter()
        product = a @ b
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - began)
    del product
    return 2 * side**3 / best
