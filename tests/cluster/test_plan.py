from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dreamcade.cluster.devices import DeviceGroup, DeviceKind
from dreamcade.cluster.plan import Plan, read_plan
from dreamcade.cluster.report import report
from dreamcade.cluster.workload import Workload
from dreamcade.core.errors import BadInputError


@pytest.fixture
def written(tmp_path: Path, workload: Workload, kind: DeviceKind) -> tuple[Path, dict[str, Any], Plan]:
    """A file of plans, what is in it, and the best of them."""
    asked = report(workload, (DeviceGroup(kind, 3),))
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(asked.to_json()))
    return file, asked.to_json(), asked.best


def test_a_plan_and_its_file(written: tuple[Path, dict[str, Any], Plan]) -> None:
    file, data, best = written
    assert read_plan(file) == read_plan(str(file)) == best
    first = data["plans"][0]
    assert {"dit_devices", "decoder_devices", "decoding", "fps", "latency_ms", "bottleneck"} <= first.keys()
    assert first["devices"] == best.layout.devices == best.devices


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format_version": 99}, "format version 99, and this build reads 1"),
        ({"format_version": None}, "holds no plans"),
        ({"plans": []}, "holds no plans"),
        ({"plans": [3]}, "holds no plans"),
        ({"plans": [{"fps": 3}]}, "wrong keys of a plan: missing bottleneck"),
    ],
)
def test_files_that_hold_no_plan(written: tuple[Path, dict[str, Any], Plan], change: dict[str, Any], said: str) -> None:
    file, data, _ = written
    file.write_text(json.dumps({**data, **change}))
    with pytest.raises(BadInputError, match=said) as raised:
        read_plan(file)
    assert "plan.json" in str(raised.value) and len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dit_devices": 0}, "dit_devices must be at least 1; got 0"),
        ({"dit_devices": "5"}, "must be a whole number"),
        ({"devices": 77}, "cannot have 77 in all"),
        ({"fps": "fast"}, "fps of a plan must be a number, 0 or more; got 'fast'"),
        ({"latency_ms": float("nan")}, "latency_ms of a plan must be a number"),
        ({"carries": 1.5}, "carries of a plan must be a whole number"),
        ({"shared": "no"}, "shared of a plan must be true or false"),
        ({"bottleneck": 4}, "bottleneck of a plan must be text"),
        ({"dit_kinds": [1]}, "must be devices by kind"),
        ({"dit_kinds": {"h100": "x"}}, "h100 in dit_kinds of a plan"),
        ({"decoding": "sideways"}, "decoding must be round-robin or spatial"),
        ({"colour": "red"}, "unknown colour"),
    ],
)
def test_a_damaged_plan(written: tuple[Path, dict[str, Any], Plan], change: dict[str, Any], said: str) -> None:
    file, data, _ = written
    file.write_text(json.dumps({**data, "plans": [{**data["plans"][0], **change}]}))
    with pytest.raises(BadInputError, match=said):
        read_plan(file)


def test_no_file_and_no_json(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"cannot read the plan .*none\.json: .*; write one with: dreamcade plan"):
        read_plan(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("5+3")
    with pytest.raises(BadInputError, match="no valid JSON"):
        read_plan(tmp_path / "text.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(BadInputError, match="holds no plans"):
        read_plan(tmp_path / "list.json")
