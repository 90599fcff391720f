"""What a caller asks for, and what is expected of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dreamcade.cluster.calibration import Calibration, KindCalibration
from dreamcade.cluster.layout import Layout
from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.paper.spread import forecast
from dreamcade.evaluation.paper.spread.forecast import OneDevice, expected, given_layout, workload_of
from dreamcade.evaluation.paper.spread.setting import Setting

SETTING, CPU = Setting("paper-racing", 10), torch.device("cpu")
EXCHANGE = 1e-4, 1e9


def timed(dit_ms: float, decoder_ms: float) -> Calibration:
    found = KindCalibration(
        batches=(1,), dit_ms=(dit_ms,), decoder_ms=(decoder_ms,), dit_fixed_ms=0.0, steps=1,
        link_latency=EXCHANGE[0], link=EXCHANGE[1],
    )  # fmt: skip
    return Calibration(workload_of(SETTING).name, "by hand", {"cpu-core": found})


def test_a_split_is_read() -> None:
    assert given_layout("5+3", None) == Layout(5, 3)
    assert given_layout("1+2", "spatial") == Layout(1, 2, "spatial")
    assert given_layout("auto", None) is None and given_layout(None, "spatial") is None


def test_a_file_is_read(tmp_path: Path) -> None:
    plan = expected(SETTING, Layout(1, 2), 3, CPU, None, timed(10, 20))
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"format_version": 1, "plans": [plan.to_json()]}))
    assert given_layout(str(file), None) == Layout(1, 2)
    assert given_layout(str(file), "spatial") == Layout(1, 2, "spatial")


@pytest.mark.parametrize(
    ("asked", "decoding", "said"),
    [
        ("nowhere.json", None, "auto, a split such as 5\\+3, or a file"),
        ("5+3", "blended", "round-robin or spatial; got 'blended'"),
        ("0+3", None, "dit_devices must be at least 1"),
    ],
)
def test_what_is_no_plan_is_refused(asked: str, decoding: str | None, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        given_layout(asked, decoding)


def test_the_slower_stage_sets_the_pace() -> None:
    assert expected(SETTING, Layout(1, 1), 2, CPU, None, timed(10, 40)).fps == pytest.approx(25, rel=0.01)
    assert expected(SETTING, Layout(1, 2), 3, CPU, None, timed(10, 40)).fps == pytest.approx(50, rel=0.01)
    best = expected(SETTING, None, 4, CPU, "round-robin", timed(10, 30))
    assert best.layout == Layout(1, 3) and best.fps == pytest.approx(100, rel=0.01)


def test_a_device_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "gloo_times", lambda: EXCHANGE)
    one = OneDevice(SETTING, CPU)
    one.time(0.0, lambda what, done, total: None)
    one.time(0.0, lambda what, done, total: None)
    found = one.calibration().of("cpu-core")
    assert found.dit_ms[0] > 0 and found.decoder_ms[0] > 0 and (found.link_latency, found.link) == EXCHANGE
    assert "before" in one.calibration().inputs[0].value
    assert expected(SETTING, Layout(1, 1), 2, CPU, None, one.calibration()).fps == pytest.approx(
        1e3 / max(found.dit_ms[0], found.decoder_ms[0]), rel=0.01
    )
