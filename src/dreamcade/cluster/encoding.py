"""Pictures become JPEGs on the processor of the machine that a pipeline is played on. Knows no PyTorch."""

from __future__ import annotations

from dreamcade.cluster.devices import DeviceKind

PER_PIXEL = 0.8e-3 / (720 * 480)
"""Seconds of a JPEG on one core, as measured (docs/latency.md: 0.8 ms at 720×480)."""
COMPUTING = 2
"""Cores that are left to the game loop and to whatever hands work to a GPU."""
LOCKED = 60e-6
"""Seconds for which a picture keeps Python's lock: handed over 30 µs, as measured; given to its player as long again
(assumed)."""
MOST = 16
"""Threads that encode for one pipeline: with 0.8 ms each, more of them would only wait for Python's lock."""


def encoding_threads(cores: float) -> int:
    """How many pictures a GPU's pipeline encodes at once, that has so many of its machine's cores."""
    return max(1, min(MOST, int(cores) - COMPUTING))


def pipeline_threads(kind: DeviceKind, devices: int) -> int:
    """The same of a pipeline with so many devices, whose dynamics are on `kind`. A processor's core that computes
    encodes one after the other."""
    return 1 if kind.host else encoding_threads(kind.host_cores * min(devices, kind.per_machine))
