"""Kinds of devices by their data sheets, and the devices that an operator has. Knows no PyTorch."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from dreamcade.cluster.figures import expect_figure, expect_text
from dreamcade.core.config import JsonConfig
from dreamcade.core.errors import BadInputError, UnknownNameError

TERA, GIGA = 1e12, 1e9
MICROSECOND = 1e-6
RESERVED_NAMES = ("auto", "cpu", "cuda")
"""That mean devices of this machine (`own_devices`)."""


@dataclass(frozen=True, slots=True)
class DeviceKind(JsonConfig):
    """One kind of device, as its maker describes it; what of that is reached, a calibration says.

    `flops` dense bfloat16 FLOP/s with sums in float32; `bandwidth` bytes/s of its memory; `memory` bytes; `link`
    bytes/s each way between two devices of one machine, `link_latency` seconds for one exchange among them; `network`
    and `network_latency` the same between machines; `launch` seconds for starting one operation, where it is not
    hidden behind the one before; `per_machine` devices of one machine, with `host_cores` cores of its processor for
    each of them; `source` of the figures. Raises `BadInputError` for a figure that is not positive.
    """

    name: str
    flops: float
    bandwidth: float
    memory: float
    link: float
    link_latency: float = 12 * MICROSECOND
    network: float = 25 * GIGA
    network_latency: float = 40 * MICROSECOND
    launch: float = 1.5 * MICROSECOND
    per_machine: int = 8
    source: str = ""
    host: bool = False
    """Whether it is a core of the machine's own processor, which also has to encode the frames."""
    host_cores: float = 8.0
    """Cores, not threads: two threads of one core encode little more than one."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name or set(self.name) & set(":, "):
            raise BadInputError(f"a device kind needs a name without spaces, colons and commas; got {self.name!r}")
        if self.name in RESERVED_NAMES:
            raise BadInputError(f"a device kind cannot be called {self.name!r}: that is this machine's own devices")
        if not isinstance(self.host, bool):
            raise BadInputError(f"host of the device kind {self.name!r} must be true or false; got {self.host!r}")
        expect_text(f"source of the device kind {self.name!r}", self.source)
        for name in (field.name for field in fields(self) if field.name not in ("name", "source", "host")):
            whole = name == "per_machine"
            called = f"{name} of the device kind {self.name!r}"
            expect_figure(called, getattr(self, name), zero=name == "launch", whole=whole)


@dataclass(frozen=True, slots=True)
class DeviceGroup:
    """`count` devices of one kind."""

    kind: DeviceKind
    count: int

    def __str__(self) -> str:
        return f"{self.kind.name}:{self.count}"


NVLINK, PCIE4, PCIE5 = 20 * MICROSECOND, 25 * GIGA, 50 * GIGA
"""Seconds that a small all-to-all by NCCL takes over NVLink (15 to 25 µs for eight GPUs by its own tests, assumed), and
bytes/s of 16 lanes as copies reach them. GeForce cards exchange through the machine's memory."""
_PCIE_LATENCY = 30 * MICROSECOND


def _data_centre(
    name: str, flops: float, bandwidth: float, memory: float, link: float, source: str, host_cores: float = 112 / 8
) -> DeviceKind:
    """The processors are those of NVIDIA's own machines by their data sheets: 112 cores for eight GPUs in a DGX H100,
    H200 and B200."""
    return DeviceKind(
        name, flops * TERA, bandwidth * GIGA, memory * GIGA, link * GIGA, NVLINK, 50 * GIGA, source=source,
        host_cores=host_cores,
    )  # fmt: skip


def _geforce(name: str, flops: float, bandwidth: float, memory: float, link: float, source: str) -> DeviceKind:
    """In a workstation with 16 cores for each (assumed)."""
    return DeviceKind(
        f"rtx-{name}", flops * TERA, bandwidth * GIGA, memory * GIGA, link, _PCIE_LATENCY, 1.25 * GIGA,
        100 * MICROSECOND, 2.5 * MICROSECOND, 4, source, host_cores=16.0,
    )  # fmt: skip


_AMPERE = "NVIDIA, Ampere GA102 whitepaper: tensor cores, bf16 with float32 sums, dense"
_ADA = "NVIDIA, Ada whitepaper: tensor cores, bf16 with float32 sums, dense"
_BLACKWELL = "NVIDIA, RTX Blackwell whitepaper: tensor cores, bf16 with float32 sums, dense"
_KINDS = (
    # Two dies of 376 TFLOP/s, 1.6 TB/s and 64 GB each in one package; 392 GB/s each way over the unified bus. One
    # processor for two packages, of 64 cores (assumed).
    DeviceKind(
        "ascend-910c", 752 * TERA, 3200 * GIGA, 128 * GIGA, 392 * GIGA, 20 * MICROSECOND, 50 * GIGA, launch=3e-6,
        source="arXiv 2506.12708 (CloudMatrix384), and arXiv 2602.00608 for the FLOP/s", host_cores=32.0,
    ),
    _data_centre("a100", 312, 2039, 80, 300, "NVIDIA A100 80GB SXM data sheet", 128 / 8),
    _data_centre("h100", 989.4, 3350, 80, 450, "NVIDIA H100 SXM data sheet"),
    _data_centre("h200", 989.4, 4800, 141, 450, "NVIDIA H200 SXM data sheet"),
    _data_centre("b200", 2250, 7700, 180, 900, "NVIDIA HGX B200 data sheet"),
    DeviceKind("l40s", 362 * TERA, 864 * GIGA, 48 * GIGA, PCIE4, _PCIE_LATENCY, source="NVIDIA L40S data sheet"),
    _geforce("3060", 25.5, 360, 12, PCIE4, _AMPERE + "; scaled by cores and clock from the 3090's"),
    _geforce("3070", 40.6, 448, 8, PCIE4, _AMPERE),
    _geforce("3080", 59.5, 760, 10, PCIE4, _AMPERE),
    _geforce("3090", 71.0, 936, 24, PCIE4, _AMPERE),
    _geforce("4060", 30.2, 272, 8, PCIE4 / 2, _ADA + "; scaled by cores and clock from the 4090's"),
    _geforce("4070", 58.3, 504, 12, PCIE4, _ADA + "; scaled by cores and clock from the 4090's"),
    _geforce("4080", 97.5, 717, 16, PCIE4, _ADA),
    _geforce("4090", 165.2, 1008, 24, PCIE4, _ADA),
    _geforce("5070", 61.7, 672, 12, PCIE5, _BLACKWELL),
    _geforce("5080", 112.6, 960, 16, PCIE5, _BLACKWELL),
    _geforce("5090", 209.5, 1792, 32, PCIE5, _BLACKWELL),
    # One core of an AMD EPYC (Zen 4) with AVX512-bf16, all of it measured (docs/performance.md): its products, its
    # copies, loopback by gloo. Its memory is a core's share of a usual machine.
    DeviceKind(
        "cpu-core", 220 * GIGA, 29 * GIGA, 4 * GIGA, 1.5 * GIGA, 150 * MICROSECOND, 1.25 * GIGA, 250 * MICROSECOND,
        5 * MICROSECOND, 64, "measured on one core of an AMD EPYC (Zen 4)", host=True,
    ),
)  # fmt: skip
KINDS: Mapping[str, DeviceKind] = {kind.name: kind for kind in _KINDS}
"""The usual kinds by name."""


def read_kinds(file: Path) -> dict[str, DeviceKind]:
    """An operator's own kinds, a JSON list of objects with `DeviceKind`'s fields, beside `KINDS`; equal names replace
    them.

    Raises `BadInputError` that names the file: no such file, no JSON, no list, a field that is missing or unknown.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(f"cannot read {file}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{file} is no valid JSON ({error})") from error
    entries = [found] if isinstance(found, dict) else found
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadInputError(f"{file} must hold a JSON list of device kinds, each an object with {_FIELDS}")
    try:
        kinds = [DeviceKind.from_json(entry) for entry in entries]
    except (TypeError, BadInputError) as error:
        reason = f"a device kind needs {_FIELDS}" if isinstance(error, TypeError) else str(error)
        raise BadInputError(f"{file}: {reason}") from error
    return {**KINDS, **{kind.name: kind for kind in kinds}}


_FIELDS = "name, flops, bandwidth, memory and link"


def parse_devices(text: str, kinds: Mapping[str, DeviceKind] = KINDS) -> tuple[DeviceGroup, ...]:
    """`h200:8,rtx-4090:2` → the devices of each kind, in the order given; a kind alone is one device. In small letters
    or large.

    Raises `UnknownNameError` with the nearest kind, and `BadInputError` for a number below 1 or no devices.
    """
    counts: dict[str, int] = {}
    for part in (piece.strip() for piece in text.split(",")):
        name, colon, number = (piece.strip() for piece in part.partition(":"))
        turned = re.fullmatch(r"(\d+)\s*[x×*]?\s*([a-zA-Z].*)?", part)
        if not name or (turned and name not in kinds):
            meant = f"; say {turned[2] or 'KIND'}:{turned[1]}" if turned else ""
            raise BadInputError(f"devices are given as KIND:N by commas, as in h200:8,rtx-4090:2; got {text!r}{meant}")
        name = name if name in kinds else name.lower()
        if name not in kinds:
            raise UnknownNameError("device kind", name, kinds)
        count = int(number) if number.isdecimal() else (0 if colon else 1)
        if not 1 <= count <= MOST_DEVICES:
            raise BadInputError(f"the number of {name} must be a whole number from 1 to {MOST_DEVICES}; got {number!r}")
        counts[name] = counts.get(name, 0) + count
    return tuple(DeviceGroup(kinds[name], count) for name, count in counts.items())


MOST_DEVICES = 10_000


def with_host_cores(devices: Sequence[DeviceGroup], cores: float) -> tuple[DeviceGroup, ...]:
    """The same devices in machines with so many cores for each. Raises `BadInputError` unless that is positive."""
    return tuple(DeviceGroup(replace(group.kind, host_cores=cores), group.count) for group in devices)


def devices_text(devices: Sequence[DeviceGroup]) -> str:
    """The inverse of `parse_devices`."""
    return ",".join(map(str, devices))


def first_devices(devices: Sequence[DeviceGroup], count: int) -> tuple[DeviceGroup, ...]:
    """So many of them; more than there are, of the last kind."""
    taken = list[DeviceGroup]()
    for number, group in enumerate(devices):
        more = count if number == len(devices) - 1 else min(count, group.count)
        if more:
            taken.append(DeviceGroup(group.kind, more))
        count -= more
    return tuple(taken)
