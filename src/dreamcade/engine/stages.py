"""How long the stages of a frame take."""

from __future__ import annotations

import time

import torch


class StageTimer:
    """Times stages on the CPU's clock, or, on a GPU, by events in its stream, which cost no waiting."""

    def __init__(self, device: torch.device, stages: int) -> None:
        self._events: list[torch.cuda.Event] = []
        if device.type == "cuda":
            self._events = [torch.cuda.Event(enable_timing=True) for _ in range(stages + 1)]  # type: ignore[no-untyped-call]
        self._times = [0.0] * (stages + 1)

    def mark(self, boundary: int) -> None:
        """Stage `boundary` begins here (and the one before it ends)."""
        if self._events:
            self._events[boundary].record()
        else:
            self._times[boundary] = time.perf_counter()

    def milliseconds(self, stage: int) -> float:
        """Duration of a stage, once its work is done."""
        if self._events:
            return float(self._events[stage].elapsed_time(self._events[stage + 1]))
        return (self._times[stage + 1] - self._times[stage]) * 1000.0
