from __future__ import annotations

import dataclasses
import itertools
import json

from dreamcade.cluster.calibration import ASSUMED, COUNTED, DATA_SHEET, FITTED, Calibration, Input, KindCalibration
from dreamcade.cluster.devices import DeviceGroup, DeviceKind, parse_devices
from dreamcade.cluster.report import curve, first_devices, report
from dreamcade.cluster.workload import Workload


def fitted(skip: float) -> Calibration:
    """The dynamics has a large part that does not shrink."""
    known = KindCalibration(
        batches=(1,), dit_ms=(100.0,), decoder_ms=(90.0,), dit_fixed_ms=40.0, exchange_ms=0.0
    )  # fmt: skip
    return Calibration("round", "a fit", {"toy": known}, skip, (Input("a", "60 ms", FITTED),))


def test_where_extrapolation_changes_the_split(workload: Workload, kind: DeviceKind) -> None:
    """It relieves the dynamics only: devices go to the decoder."""
    asked = report(dataclasses.replace(workload, skip=0.4), (DeviceGroup(kind, 8),), fitted(0.4))
    (note,) = [one for one in asked.notes if one.startswith("without extrapolation")]
    assert f"({asked.best.layout.split} " in note and "saves its pass, not its drawing" in note
    never = report(workload, (DeviceGroup(kind, 8),), fitted(0.0))
    assert never.best.layout.dit_devices > asked.best.layout.dit_devices
    assert not [one for one in never.notes if one.startswith("without extrapolation")]


def test_sooner_and_fewer_are_named(workload: Workload, kind: DeviceKind) -> None:
    notes = report(workload, (DeviceGroup(kind, 8),), fitted(0.0)).notes
    assert any(note.startswith("soonest: ") for note in notes)
    known = KindCalibration(batches=(1,), dit_ms=(100.0,), decoder_ms=(10.0,), dit_fixed_ms=98.0, exchange_ms=0.0)
    flat = report(workload, (DeviceGroup(kind, 8),), Calibration("round", kinds={"toy": known}))
    assert flat.best.devices == 8 and any(note.startswith("nearly as many frames on 2 devices") for note in flat.notes)


def test_every_input_says_where_it_comes_from(workload: Workload, kind: DeviceKind) -> None:
    asked = report(workload, (DeviceGroup(kind, 2), *parse_devices("h200:1")), fitted(0.0))
    origins = {(one.name, one.origin) for one in asked.inputs}
    assert {("a", FITTED), ("passes", COUNTED), ("toy", DATA_SHEET)} <= origins
    assert ("h200: dit utilisation", ASSUMED) in origins and ("toy: dit utilisation", ASSUMED) not in origins


def test_the_report_as_json(workload: Workload, kind: DeviceKind) -> None:
    asked = report(workload, (DeviceGroup(kind, 2),), players=3)
    data = json.loads(json.dumps(asked.to_json(), allow_nan=False))
    assert data["devices"] == "toy:2" and data["players"] == 3 and data["device_kinds"][0]["name"] == "toy"
    assert Workload.from_json(data["workload"]) == workload
    assert [one["fps"] for one in data["plans"]] == [one.fps for one in asked.plans]


def test_the_curve_rises_and_goes_beyond_what_is_there(workload: Workload, kind: DeviceKind) -> None:
    points = curve(report(workload, (DeviceGroup(kind, 8),)))
    assert [count for count, _ in points] == list(range(1, 13))
    rates = [one.fps for _, one in points]
    assert all(after >= before * (1 - 1e-9) for before, after in itertools.pairwise(rates))


def test_numbers_on_which_nothing_fits_are_left_out(workload: Workload) -> None:
    heavy = dataclasses.replace(workload, weight_bytes=15e9, decoder_activation_bytes=10e9)
    asked = report(heavy, parse_devices("rtx-4090:3"))
    assert next(count for count, _ in curve(asked)) == 2


def test_a_large_curve_has_few_points(workload: Workload) -> None:
    points = curve(report(workload, parse_devices("h200:100"), players=100))
    assert len(points) <= 66 and 100 in [count for count, _ in points] and points[-1][0] == 150


def test_the_first_devices() -> None:
    devices = parse_devices("h200:2,rtx-4090:2")
    assert [str(group) for count in (1, 3, 6) for group in first_devices(devices, count)] == [
        "h200:1", "h200:2", "rtx-4090:1", "h200:2", "rtx-4090:4",
    ]  # fmt: skip
