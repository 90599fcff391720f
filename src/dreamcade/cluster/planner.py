"""Which devices do what: every layout that fits, judged by the cost model, best first. Knows no PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

from dreamcade.cluster.calibration import Calibration
from dreamcade.cluster.devices import DeviceGroup
from dreamcade.cluster.layout import Layout
from dreamcade.cluster.plan import Plan
from dreamcade.cluster.workload import Workload


def plan(
    workload: Workload, devices: Sequence[DeviceGroup], calibration: Calibration | None = None, *, players: int = 1,
    latency_ms: float | None = None, decoding: str | None = None, overlap: float = 0.0,
) -> list[Plan]:  # fmt: skip
    """Plans for `players` of a workload, best first: those that meet the latency objective and the tick rate, then by
    frames a second, then by latency, then by fewer devices. Not all devices need be used.

    `decoding` round-robin or spatial only; `overlap`: share of exchanges that is hidden behind computing. Raises
    `BadInputError` where nothing fits the devices' memory, saying what is short and by how much.
    """
    raise NotImplementedError


def predict(
    workload: Workload, layout: Layout, devices: Sequence[DeviceGroup], calibration: Calibration | None = None, *,
    players: int = 1, latency_ms: float | None = None, overlap: float = 0.0,
) -> Plan:  # fmt: skip
    """What a given layout would bring: the dynamics on the first of the `devices`, the decoder on those that follow.

    Raises `BadInputError` where there are too few devices, or one's memory is too small.
    """
    raise NotImplementedError
