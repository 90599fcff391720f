from __future__ import annotations

import dataclasses

import pytest

from dreamcade.cluster.devices import KINDS, DeviceKind
from dreamcade.cluster.encoding import MOST, encoding_threads, pipeline_threads


@pytest.mark.parametrize(("cores", "threads"), [(0.5, 1), (2, 1), (3, 1), (4, 2), (14, 12), (17.9, 15), (999, MOST)])
def test_two_cores_are_left_and_one_thread_is_the_least(cores: float, threads: int) -> None:
    assert encoding_threads(cores) == threads


def test_a_pipeline_has_its_devices_share_of_one_machine(kind: DeviceKind) -> None:
    small = dataclasses.replace(kind, host_cores=3.0)  # four devices to a machine
    assert [pipeline_threads(small, devices) for devices in (1, 2, 4, 8)] == [1, 4, 10, 10]


def test_a_core_that_computes_encodes_one_after_the_other() -> None:
    assert pipeline_threads(KINDS["cpu-core"], 8) == 1
