"""How an engine divides a machine's cores."""

from __future__ import annotations

import pytest
import torch

from dreamcade.cluster.layout import Layout
from dreamcade.engine.cores import Cores

ALONE = Layout(shared=True)


def has_cores(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr("dreamcade.engine.cores.cpu_threads", lambda: count)


def test_on_a_cpu_encoding_takes_the_drawing_threads_cores_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = Cores(torch.device("cpu"), ALONE)
    for there, threads in ((1, 1), (2, 1), (3, 1), (4, 2), (16, 8)):
        has_cores(monkeypatch, there)
        assert cores.encoding_threads == threads


def test_on_gpus_a_pipeline_has_their_share_of_the_machines_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = Cores(torch.device("cuda"), ALONE)
    for there, gpus, threads in ((2, 1, 1), (8, 1, 6), (112, 8, 12), (224, 8, 16), (16, 8, 1)):
        has_cores(monkeypatch, there)
        monkeypatch.setattr(torch.cuda, "device_count", lambda gpus=gpus: gpus)
        assert cores.encoding_threads == threads


@pytest.mark.parametrize(
    ("layout", "alone", "shared"), [(ALONE, 12, 6), (Layout(1, 1), 6, 6), (Layout(2, 1), 4, 4), (Layout(8, 8), 1, 1)]
)
def test_processes_and_threads_share_a_cpu(
    layout: Layout, alone: int, shared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_cores(monkeypatch, 12)
    set_to: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    cores = Cores(torch.device("cpu"), layout)
    cores.use_all()
    cores.share()
    Cores(torch.device("cuda"), layout).share()
    assert set_to == [alone, shared]
