from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from dreamcade.cluster.devices import devices_text
from dreamcade.cluster.own_devices import asked_devices, kind_called
from dreamcade.core import device
from dreamcade.core.errors import BadInputError, UnknownNameError


def with_gpus(monkeypatch: pytest.MonkeyPatch, *gpus: tuple[str, float]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(gpus))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(gpus))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: gpus[index][0])
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda index: SimpleNamespace(total_memory=int(gpus[index][1]))
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("NVIDIA B200", "b200"),
        ("NVIDIA GeForce RTX 3060", "rtx-3060"),
        ("Radeon RX 7900", None),
        ("NVIDIA GeForce RTX 4070 Ti", None),
        ("NVIDIA GeForce RTX 4080 SUPER", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA H100 PCIe", None),
    ],
)
def test_kinds_by_the_device_s_own_name(name: str, kind: str | None) -> None:
    found = kind_called(name)
    assert (found and found.name) == kind


def test_without_gpus_they_are_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch)
    monkeypatch.setattr(device, "cpu_threads", lambda: 6)
    texts = [devices_text(asked_devices(text)) for text in ("auto", " cpu ", "cpu:3")]
    assert texts == ["cpu-core:6", "cpu-core:6", "cpu-core:3"]
    with pytest.raises(BadInputError, match="it has none; name kinds"):
        asked_devices("cuda:2")


def test_gpus_by_kind_with_the_least_memory_that_they_have(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(
        monkeypatch, ("NVIDIA A100-SXM4-40GB", 42e9), ("NVIDIA A100-SXM4-40GB", 41e9), ("NVIDIA H200", 150e9)
    )  # fmt: skip
    devices = asked_devices("auto")
    assert devices_text(devices) == "a100:2,h200:1" == devices_text(asked_devices("cuda"))
    assert [group.kind.memory for group in devices] == [41e9, 150e9]
    assert devices_text(asked_devices("cuda:1")) == "a100:1"
    with pytest.raises(BadInputError, match="it has 3;"):
        asked_devices("cuda:4")


def test_a_gpu_of_no_known_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, ("NVIDIA GeForce RTX 4070 Ti", 12e9))
    with pytest.raises(BadInputError, match="'NVIDIA GeForce RTX 4070 Ti' is of no known kind"):
        asked_devices("auto")


def test_all_else_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices_text(asked_devices("h200:2,cpu-core")) == "h200:2,cpu-core:1"
    with pytest.raises(BadInputError, match="leave the number out"):
        asked_devices("auto:4")
    with pytest.raises(UnknownNameError):
        asked_devices("cpus:2")
