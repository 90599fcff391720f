"""How long the stages of a frame take."""

from __future__ import annotations

import time

import torch


class Stopwatch:
    """Times one piece of work on the CPU's clock, or, on a GPU, by events in its stream, which cost no waiting."""

    def __init__(self, device: torch.device) -> None:
        self._events: tuple[torch.cuda.Event, torch.cuda.Event] | None = None
        self.began = self.ended = time.perf_counter()
        if device.type == "cuda":
            self._events = (torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True))  # type: ignore[no-untyped-call]
            self._events[0].record()

    def stop(self) -> None:
        """The work has been done, or, on a GPU, given to it."""
        self.ended = time.perf_counter()
        if self._events:
            self._events[1].record()

    @property
    def milliseconds(self) -> float:
        """How long it took; to be asked once the work is done."""
        if self._events:
            return float(self._events[0].elapsed_time(self._events[1]))
        return (self.ended - self.began) * 1000.0

    def hold(self, stream: torch.cuda.Stream) -> None:
        """On a GPU: what `stream` is given from now on waits until the work is done; this thread does not."""
        if self._events:
            stream.wait_event(self._events[1])
