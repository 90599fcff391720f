from __future__ import annotations

import pytest

from dreamcade.cluster.calibration import Calibration, KindCalibration
from dreamcade.cluster.devices import KINDS, DeviceKind
from dreamcade.cluster.rates import ASSUMPTIONS, Times, assumed_of, rates_of
from dreamcade.cluster.workload import Workload


def test_what_is_not_measured_is_assumed_and_said_so(kind: DeviceKind, workload: Workload) -> None:
    calibration = Calibration(kinds={"toy": KindCalibration(dit_utilisation=0.9, link=7.0)})
    rates = rates_of(kind, workload, calibration)
    assert rates.dit_flops == pytest.approx(0.9e13) and rates.link == 7.0
    assert rates.decoder_flops == pytest.approx(1e13 * ASSUMPTIONS["decoder_utilisation"])
    assert "dit_utilisation" not in assumed_of(kind, workload, calibration)
    assert "decoder_utilisation" in assumed_of(kind, workload, calibration)


def test_times_hold_for_their_own_workload_only(kind: DeviceKind, workload: Workload) -> None:
    known = {"toy": KindCalibration(batches=(1,), dit_ms=(5.0,), decoder_ms=(2.0,))}
    assert rates_of(kind, workload, Calibration("another", kinds=known)).dit is None
    own = Calibration("round", kinds=known)
    assert rates_of(kind, workload, own).dit == Times((1,), (0.005,))
    assert not assumed_of(kind, workload, own)


def test_times_follow_the_steps_that_they_were_measured_with(kind: DeviceKind, workload: Workload) -> None:
    known = KindCalibration(batches=(1,), dit_ms=(5.0,), decoder_ms=(2.0,), steps=1)
    rates = rates_of(kind, workload, Calibration("round", kinds={"toy": known}))  # which has two
    assert rates.dit is not None and rates.dit.of(1) == pytest.approx(0.010)
    assert rates.decoder is not None and rates.decoder.of(1) == pytest.approx(0.002)


def test_a_single_time_is_taken_so_often() -> None:
    assert Times((1,), (0.5,)).of(3) == 1.5
    assert Times((1, 2, 4), (1.0, 1.5, 2.5)).of(3) == 2.0


def test_a_core_reaches_what_was_measured_of_it(workload: Workload) -> None:
    assert assumed_of(KINDS["cpu-core"], workload)["decoder_utilisation"] == 0.7
