from __future__ import annotations

import dataclasses

import pytest

from dreamcade.cluster.calibration import Calibration, KindCalibration
from dreamcade.cluster.costs import (
    Cost,
    decoder_memory,
    drawing_cost,
    dynamics_cost,
    dynamics_memory,
    exchange_seconds,
    hand_over_seconds,
    head_share,
    row_share,
    token_share,
)
from dreamcade.cluster.devices import KINDS, DeviceKind
from dreamcade.cluster.rates import Rates, rates_of
from dreamcade.cluster.workload import Workload

ALL = KindCalibration(dit_utilisation=1.0, dit_bandwidth=1.0, decoder_utilisation=1.0, decoder_bandwidth=1.0)


@pytest.fixture
def rates(kind: DeviceKind, workload: Workload) -> Rates:
    """Everything as the data sheet says."""
    return rates_of(kind, workload, Calibration(kinds={"toy": ALL}))


def test_shares_follow_the_fullest_device(workload: Workload) -> None:
    assert [head_share(workload, n) for n in (1, 4, 5)] == [1, 3 / 12, 3 / 12]  # five devices hold 3, 3, 2, 2, 2
    assert token_share(workload, 7) == 18 / 120
    assert row_share(workload, 5) == 3 / 12


def test_one_device_by_hand(workload: Workload, rates: Rates) -> None:
    cost = dynamics_cost(workload, rates, 1, 1)
    assert cost.compute == pytest.approx(2 * 12e9 / 1e13)
    assert cost.memory == pytest.approx(2 * 1.3e9 / 1e12)
    assert cost.launches == pytest.approx(210e-6)
    assert cost.exchange == 0
    assert cost.total == pytest.approx(2.6e-3 + 210e-6)  # the longer of arithmetic and memory traffic


def test_many_devices_by_hand(workload: Workload, rates: Rates) -> None:
    cost = dynamics_cost(workload, rates, 4, 1)
    assert cost.compute == pytest.approx(2 * (9e9 / 4 + 3e9 / 4) / 1e13)
    assert cost.memory == pytest.approx(2 * (1e9 + 0.25 * 3e8) / 1e12)  # weights do not shrink
    assert cost.exchange == pytest.approx(2 * (8 * 1e-5 + 4e8 / 4 * 3 / 4 / 1e11))
    assert dynamics_cost(workload, rates, 4, 1, overlap=1.0).exchange == 0


def test_more_than_a_machine_s_devices_exchange_over_the_network(workload: Workload, rates: Rates) -> None:
    inside, outside = (exchange_seconds(workload, rates, devices, 1) for devices in (4, 5))
    assert outside == pytest.approx(2 * (8 * 1e-4 + 4e8 / 5 * 4 / 5 / 1e9)) and outside > 10 * inside


def test_uneven_heads_cost_what_the_fullest_device_takes(workload: Workload, rates: Rates) -> None:
    five, six = (dynamics_cost(workload, rates, n, 1).compute for n in (5, 6))
    assert five == pytest.approx(2 * (9e9 * 24 / 120 + 3e9 * 3 / 12) / 1e13)
    assert six == pytest.approx(2 * (9e9 * 20 / 120 + 3e9 * 2 / 12) / 1e13)


def test_a_batch_shares_weights_launches_and_latencies(workload: Workload, rates: Rates) -> None:
    one, four = (dynamics_cost(workload, rates, 2, players) for players in (1, 4))
    assert four.compute == pytest.approx(4 * one.compute)
    assert four.launches == one.launches
    assert four.memory < 4 * one.memory and four.exchange < 4 * one.exchange


def test_drawing_by_hand(workload: Workload, rates: Rates) -> None:
    cost = drawing_cost(workload, rates, 1)
    assert (cost.compute, cost.memory) == (pytest.approx(8e-4), pytest.approx(7e-4))
    strips = drawing_cost(workload, rates, 1, strips=3)
    assert strips.compute == pytest.approx(8e-4 / 3)
    assert strips.memory == pytest.approx((1e8 + 6e8 / 3) / 1e12)  # weights are read whole
    assert strips.exchange == pytest.approx(15 * 1e-5 + 2e6 / 1e11)  # inner strips have two borders
    assert drawing_cost(workload, rates, 1, strips=2).exchange == pytest.approx(15 * 1e-5 + 1e6 / 1e11)


def test_what_strips_need_of_all_others_counts(workload: Workload, rates: Rates) -> None:
    gathering = dataclasses.replace(workload, decoder_gather_bytes=4e8)
    more = drawing_cost(gathering, rates, 1, 4).exchange - drawing_cost(workload, rates, 1, 4).exchange
    assert more == pytest.approx(4e8 * 3 / 4 / 1e11)


def test_measured_times_take_the_place_of_counts(kind: DeviceKind, workload: Workload) -> None:
    measured = KindCalibration(
        batches=(1, 4), dit_ms=(10.0, 22.0), decoder_ms=(5.0, 11.0), dit_fixed_ms=4.0, exchange_ms=1.0
    )
    rates = rates_of(kind, workload, Calibration("round", kinds={"toy": measured}))
    cost = dynamics_cost(workload, rates, 3, 1)
    assert cost.compute == pytest.approx(6e-3 / 3) and cost.fixed == pytest.approx(4e-3)
    assert cost.exchange == pytest.approx(1e-3) and cost.total == pytest.approx(7e-3)
    assert dynamics_cost(workload, rates, 1, 2).total == pytest.approx(14e-3)  # between two batches, a line
    assert dynamics_cost(workload, rates, 1, 7).total == pytest.approx(34e-3)  # and beyond them
    assert drawing_cost(workload, rates, 1, 3).compute == pytest.approx(5e-3 / 3)


def test_a_fixed_part_is_paid_once_for_a_batch(kind: DeviceKind, workload: Workload) -> None:
    known = KindCalibration(batches=(1,), dit_ms=(10.0,), decoder_ms=(5.0,), dit_fixed_ms=4.0, exchange_ms=0.0)
    rates = rates_of(kind, workload, Calibration("round", kinds={"toy": known}))
    cost = dynamics_cost(workload, rates, 2, 3)
    assert cost.fixed == pytest.approx(4e-3) and cost.compute == pytest.approx(3 * 6e-3 / 2)


def test_what_every_device_does_does_not_shrink(kind: DeviceKind, workload: Workload) -> None:
    measured = KindCalibration(batches=(1,), dit_ms=(10.0,), decoder_ms=(5.0,), exchange_ms=0.0)
    work = dataclasses.replace(workload, frame_flops=6e9)  # a fifth of all
    cost = dynamics_cost(work, rates_of(kind, work, Calibration("round", kinds={"toy": measured})), 4, 1)
    assert cost.fixed == pytest.approx(2e-3) and cost.compute == pytest.approx(2e-3)


def test_kinds_that_differ_speak_over_the_network(workload: Workload, rates: Rates) -> None:
    other = rates_of(dataclasses.replace(KINDS["h200"], network=5e8), workload)
    assert hand_over_seconds(workload, rates, rates, 1, 2) == pytest.approx(1e-5 + 1e5 / 1e11)
    assert hand_over_seconds(workload, rates, other, 2, 2) == pytest.approx(1e-4 + 2e5 / 5e8)


def test_memory_of_the_fullest_device(workload: Workload) -> None:
    assert dynamics_memory(workload, 1, 1) == pytest.approx(1e9 + 2e8 + 5e7)
    assert dynamics_memory(workload, 5, 10) == pytest.approx(1e9 + 10 * (2e8 * 3 / 12 + 5e7 * 24 / 120))
    assert decoder_memory(workload, 3, strips=4) == pytest.approx(1e8 + 3 * 2e8 / 4)


def test_what_a_cost_is_made_of() -> None:
    assert Cost(compute=3, memory=2).largest == "compute" and Cost(compute=2, memory=3).largest == "memory"
    assert Cost(compute=1, exchange=2).largest == "exchange" and Cost(launches=1).largest == "launches"
    assert Cost(fixed=2, compute=1).largest == "fixed part"
