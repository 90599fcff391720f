from __future__ import annotations

import dataclasses
import itertools
import json

from dreamcade.cluster.calibration import ASSUMED, COUNTED, DATA_SHEET, FITTED, Calibration, Input, KindCalibration
from dreamcade.cluster.devices import DeviceGroup, DeviceKind, parse_devices
from dreamcade.cluster.report import curve, report
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


def test_how_few_devices_are_enough(workload: Workload, kind: DeviceKind) -> None:
    """Frames beyond the tick rate are of use to nobody: the fewest devices that carry all players are named."""
    one = report(workload, (DeviceGroup(kind, 1),)).best
    ticking = dataclasses.replace(workload, tick_rate=0.9 * one.fps)
    for players in (1, 3):
        asked = report(ticking, (DeviceGroup(kind, 12),), players=players)
        (note,) = [one for one in asked.notes if one.startswith("enough for all players: toy:")]
        fewest = int(note.removeprefix("enough for all players: toy:").partition(",")[0])
        assert report(ticking, (DeviceGroup(kind, fewest),), players=players).best.meets
        assert fewest == 1 or not report(ticking, (DeviceGroup(kind, fewest - 1),), players=players).best.meets
    assert fewest > 1
    exactly = report(ticking, (DeviceGroup(kind, fewest),), players=3)
    assert not [note for note in exactly.notes if note.startswith("enough")]


def test_what_is_not_counted_in_is_said(workload: Workload, kind: DeviceKind) -> None:
    (note,) = report(dataclasses.replace(workload, tick_rate=25.0), (DeviceGroup(kind, 1),)).notes
    left_out = "up to 40 ms until a tick begins, encoding on the processor, the network and the browser"
    assert note == f"not counted in the latency: {left_out}"
    core = dataclasses.replace(kind, host=True)
    known = Calibration("round", kinds={"toy": KindCalibration(encode_ms=1.0)})
    (note,) = report(workload, (DeviceGroup(core, 1),), known).notes
    assert note == "not counted in the latency: the network and the browser"
