from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dreamcade.cluster.calibration import MEASURED, Calibration, Input, KindCalibration, read_calibration
from dreamcade.core.errors import BadInputError

TIMED = KindCalibration(batches=(1, 2), dit_ms=(3.0, 4.0), decoder_ms=(1.0, 2.0), link=1e9)
KNOWN = Calibration("round", "measured here", {"toy": TIMED}, 0.25, (Input("pass", "3 ms", MEASURED, "by turns"),))


def test_a_file_and_back(tmp_path: Path) -> None:
    file = tmp_path / "calibration.json"
    file.write_text(json.dumps({**KNOWN.to_json(), "figures of mine": [1, 2]}))
    assert read_calibration(file) == KNOWN
    assert KNOWN.of("toy").link == 1e9 and KNOWN.of("another") == KindCalibration()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format_version": 9}, "format version 9"),
        ({"format_version": "1"}, "is no calibration"),
        ({"plans": []}, "is no calibration; write one with"),
        ({"colour": 3}, "does not know colour"),
        ({"kinds": {"toy": {"speed": 1}}}, "does not know speed"),
        ({"kinds": {"toy": {"batches": [1, 2], "dit_ms": [1]}}}, r"one time for each of the batches \[1, 2\]"),
        ({"kinds": {"toy": {"batches": [2], "dit_ms": [1]}}}, "must rise from 1"),
        ({"kinds": 3}, "damaged"),
        ({"kinds": {"toy": {"dit_utilisation": 0}}}, "dit_utilisation of a calibration must be a number, above 0"),
        ({"kinds": {"toy": {"link": 0}}}, "link of a calibration"),
        ({"kinds": {"toy": {"encode_ms": "x"}}}, "encode_ms of a calibration must be a number, 0 or more; got 'x'"),
        ({"kinds": {"toy": {"batches": [1], "dit_ms": [-1]}}}, "each of dit_ms of a calibration"),
        ({"skip": 2}, "a share of frames, less than 1; got 2"),
        ({"workload": 4}, "workload of a calibration must be text"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    file = tmp_path / "calibration.json"
    file.write_text(json.dumps({**KNOWN.to_json(), **change}))
    with pytest.raises(BadInputError, match=said) as raised:
        read_calibration(file)
    assert "calibration.json" in str(raised.value)


def test_no_file_and_no_json(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot read"):
        read_calibration(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("quick")
    with pytest.raises(BadInputError, match="no valid JSON"):
        read_calibration(tmp_path / "text.json")
