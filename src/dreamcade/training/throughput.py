"""How well a training uses its machine: frames a second, and its arithmetic beside a large matrix product's."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

T = TypeVar("T")

SIDES = {"cuda": 8192, "cpu": 1024}
"""Side of the matrices whose product tells what a device reaches."""


class Throughput:
    """Counts between two looks. A step's floating point operations are counted once for every kind of step, where it
    runs eagerly."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device, self._dtype = device, dtype
        self._kind: Hashable = None
        self._of_a_step, self._peak = 0.0, 0.0
        self._flops, self._frames, self._seconds = 0.0, 0, 0.0

    def counted(self, kind: Hashable, work: Callable[[], T]) -> T:
        """Does `work`, a whole step forward and backward; counts it where the last one was of another `kind`."""
        if kind == self._kind:
            return work()
        with FlopCounterMode(display=False) as counter:
            done = work()
        self._kind, self._of_a_step = kind, float(counter.get_total_flops())
        return done

    def add(self, frames: int, seconds: float) -> None:
        """One step, of the kind counted last, on so many frames has taken so long."""
        self._flops += self._of_a_step
        self._frames, self._seconds = self._frames + frames, self._seconds + seconds

    def take(self) -> dict[str, float]:
        """`frames_per_second`, `tflops` and `share_of_peak` since the last call; empty before the first step."""
        if not self._seconds:
            return {}
        self._peak = self._peak or matmul_flops(self._device, self._dtype)
        figures = {"frames_per_second": self._frames / self._seconds}
        if self._flops:
            speed = self._flops / self._seconds
            figures |= {"tflops": speed / 1e12, "share_of_peak": speed / self._peak}
        self._flops, self._frames, self._seconds = 0.0, 0, 0.0
        return figures


@torch.inference_mode()
def matmul_flops(device: torch.device, dtype: torch.dtype, tries: int = 5) -> float:
    """Operations a second of a large matrix product on `device`, the best of some tries; float32 on CUDA as TF32, in
    which convolutions are computed there."""
    precise = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        return _best_product(device, dtype, tries)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = precise


def _best_product(device: torch.device, dtype: torch.dtype, tries: int) -> float:
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
