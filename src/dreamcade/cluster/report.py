"""An answer to "I have these devices, this world, this many players", as a whole. Knows no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dreamcade.cluster.calibration import Calibration, Input
from dreamcade.cluster.devices import DeviceGroup, devices_text, first_devices
from dreamcade.cluster.explanation import inputs_of, second_thoughts
from dreamcade.cluster.plan import FORMAT_VERSION, Plan
from dreamcade.cluster.planner import plan
from dreamcade.cluster.workload import Workload
from dreamcade.core.errors import BadInputError

MOST_POINTS = 64
"""Of a curve over the number of devices."""


@dataclass(frozen=True, slots=True)
class PlanReport:
    """The question, the plans, best first, what they rest on, and where others would be preferred."""

    workload: Workload
    devices: tuple[DeviceGroup, ...]
    calibration: Calibration | None
    players: int
    latency_ms: float | None
    plans: list[Plan]
    inputs: list[Input] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def best(self) -> Plan:
        return self.plans[0]

    def to_json(self) -> dict[str, Any]:
        """What `--json` writes and `--plan` reads."""
        return {
            "format_version": FORMAT_VERSION, "workload": self.workload.to_json(),
            "devices": devices_text(self.devices), "device_kinds": [group.kind.to_json() for group in self.devices],
            "players": self.players, "latency_objective_ms": self.latency_ms,
            "calibration": "" if self.calibration is None else self.calibration.source,
            "inputs": [one.to_json() for one in self.inputs], "notes": self.notes,
            "plans": [one.to_json() for one in self.plans],
        }  # fmt: skip


def report(
    workload: Workload, devices: tuple[DeviceGroup, ...], calibration: Calibration | None = None, *,
    players: int = 1, latency_ms: float | None = None, decoding: str | None = None,
) -> PlanReport:  # fmt: skip
    """Plans and all that is said about them. Raises `BadInputError` as `plan` does."""
    plans = plan(workload, devices, calibration, players=players, latency_ms=latency_ms, decoding=decoding)
    notes = second_thoughts(
        plans, workload, devices, calibration, players=players, latency_ms=latency_ms, decoding=decoding
    )
    inputs = inputs_of(workload, devices, calibration)
    return PlanReport(workload, devices, calibration, players, latency_ms, plans, inputs, notes)


def curve(asked: PlanReport, decoding: str | None = None) -> list[tuple[int, Plan]]:
    """The best plan on one device, two, and so on, to half as many again as there are: in the order in which they were
    given, then more of the last kind. Numbers on which nothing fits are left out."""
    there = sum(group.count for group in asked.devices)
    last = max(there + 1, 3 * there // 2)
    points = []
    for count in sorted({1 + round(i * (last - 1) / MOST_POINTS) for i in range(MOST_POINTS + 1)} | {there}):
        try:
            plans = plan(
                asked.workload, first_devices(asked.devices, count), asked.calibration, players=asked.players,
                latency_ms=asked.latency_ms, decoding=decoding,
            )  # fmt: skip
        except BadInputError:  # too little memory
            continue
        points.append((count, plans[0]))
    return points
