"""Which of a machine's cores an engine computes with, and encodes pictures with."""

from __future__ import annotations

import torch

from dreamcade.cluster.encoding import encoding_threads
from dreamcade.cluster.layout import Layout
from dreamcade.core.device import cpu_threads


class Cores:
    """Of an engine on `device`, whose pipeline is laid out as `layout`: on a CPU its processes share the cores."""

    def __init__(self, device: torch.device, layout: Layout) -> None:
        self._device, self._layout = device, layout

    def each(self, threads: int) -> int:
        """For each of so many threads in each process of the engine; at least one."""
        processes = 1 if self._layout.shared else self._layout.pipeline_devices
        return max(1, cpu_threads() // (threads * processes))

    def use_all(self) -> None:
        """Sets PyTorch's threads for a CPU engine that computes in one thread; part of the setting belongs to the
        calling thread."""
        self._use(self.each(1))

    def share(self) -> None:
        """The same for each of two threads that compute at once: half the cores. Where others draw, only one thread
        here computes."""
        self._use(self.each(2 if self._layout.shared else 1))

    @property
    def encoding_threads(self) -> int:
        """How many pictures may be encoded at once. A GPU's pipeline has its devices' share of this machine's cores for
        that; on a CPU, as many as the drawing thread computes with, and it waits meanwhile: others are at work."""
        if self._device.type != "cpu":
            there = torch.cuda.device_count()
            return encoding_threads(cpu_threads() * min(self._layout.pipeline_devices, there) / there)
        return self.each(2) if self._layout.shared else 1

    def _use(self, count: int) -> None:
        if self._device.type == "cpu":
            torch.set_num_threads(count)
