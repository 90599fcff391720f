"""The devices of this machine, as kinds that can be planned for."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping

from dreamcade.cluster.devices import KINDS, DeviceGroup, DeviceKind, parse_devices
from dreamcade.core.errors import BadInputError

AUTO = "auto"
CORE = "cpu-core"
OTHERS = {"ti", "super", "laptop", "mobile", "max", "pcie", "pcie4", "pcie5", "nvl"}
"""Words after a kind's that make it another: an RTX 4070 Ti is no RTX 4070, an H100 PCIe not what `KINDS` has."""


def asked_devices(text: str, kinds: Mapping[str, DeviceKind] = KINDS) -> tuple[DeviceGroup, ...]:
    """As `parse_devices`; and, as `dreamcade play` names them, `auto` (this machine's GPUs, or its cores without any),
    `cpu:N` (processes on its cores) and `cuda:N` (so many of its GPUs).

    Raises `BadInputError` as `parse_devices`, for a GPU of no known kind, and for more GPUs than there are.
    """
    own = re.fullmatch(r"(auto|cpu|cuda)(?::([1-9]\d{0,3}))?", text.strip())
    if own is None:
        return parse_devices(text, kinds)
    name, number = own[1], int(own[2]) if own[2] else None
    if name == "cpu":
        return (DeviceGroup(kinds[CORE], number or _cores()),)
    gpus = own_gpus(kinds)
    if name == AUTO and number is not None:
        raise BadInputError(f"auto is all that this machine has; got {text!r}: leave the number out")
    if name == AUTO and not gpus:
        return (DeviceGroup(kinds[CORE], _cores()),)
    if not gpus or (number is not None and number > len(gpus)):
        raise BadInputError(
            f"{text} is for GPUs of this machine, and it has {len(gpus) or 'none'}; name kinds, as in --devices h100:8"
        )
    taken = gpus[:number]
    least = {kind.name: min(taken, key=lambda one: (one.name != kind.name, one.memory)) for kind in taken}
    counts = Counter(kind.name for kind in taken)
    return tuple(DeviceGroup(least[name], count) for name, count in counts.items())


def own_gpus(kinds: Mapping[str, DeviceKind] = KINDS) -> list[DeviceKind]:
    """Of each GPU of this machine its kind, with the memory that it really has. Raises `BadInputError` for a GPU of no
    known kind."""
    import torch  # here: most plans are for other machines

    found = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        name, memory = torch.cuda.get_device_name(index), torch.cuda.get_device_properties(index).total_memory
        kind = kind_called(name, kinds)
        if kind is None:
            raise BadInputError(
                f"this machine's {name!r} is of no known kind; name the nearest, as in --devices h100:1, or "
                f"describe it with --device-kinds: {', '.join(kinds)}"
            )
        found.append(dataclasses.replace(kind, memory=float(memory)))
    return found


def _cores() -> int:
    from dreamcade.core.device import cpu_threads  # here: it imports PyTorch

    return cpu_threads()


def kind_called(name: str, kinds: Mapping[str, DeviceKind] = KINDS) -> DeviceKind | None:
    """The kind of `NVIDIA GeForce RTX 4090` or `NVIDIA H200`; None if there is none."""
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    if words & OTHERS:
        return None
    return next((kind for kind in kinds.values() if set(kind.name.split("-")) <= words), None)
