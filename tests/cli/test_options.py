from __future__ import annotations

import json
from pathlib import Path

import pytest

from dreamcade.cli.options import spread_options
from dreamcade.cluster.layout import Layout
from dreamcade.cluster.plan import FORMAT_VERSION, Plan
from dreamcade.core.errors import BadInputError


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    plan = Plan(Layout(1, 2), 30.0, 30.0, 40.0, "decoder compute", 20.0, 0.0, 50.0, 1.0, 1e6, 1e6, 1, 1)
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"format_version": FORMAT_VERSION, "plans": [plan.to_json()]}))
    return file


def test_a_plan_says_how_many_devices_there_must_be(plan_file: Path) -> None:
    assert spread_options("auto", "cpu:4", str(plan_file)) == ("cpu:4", Layout(1, 2))
    assert spread_options("cpu", None, str(plan_file)) == ("cpu:3", Layout(1, 2))
    assert spread_options("auto", "cpu:3", "auto") == ("cpu:3", "auto")
    assert spread_options("auto", "cpu:2", None) == ("cpu:2", None)


@pytest.mark.parametrize(
    ("device", "devices", "plan", "says"),
    [
        ("auto", "cpu:2", "PLAN", r"the plan is for 3 devices \(1\+2\) and 2 are given"),
        ("cpu", "cpu:2", None, "give --device or --devices, not both"),
        ("auto", None, "auto", "--plan auto needs devices"),
        ("auto", "cpu:2", "nowhere.json", "cannot read the plan nowhere.json"),
        ("auto", "cpu", None, "devices are KIND:COUNT"),
        ("auto", "cuda:99", None, "99 devices of kind cuda were asked for"),
    ],
)
def test_each_fault_is_one_clear_line(
    plan_file: Path, device: str, devices: str | None, plan: str | None, says: str
) -> None:
    with pytest.raises(BadInputError, match=says):
        spread_options(device, devices, str(plan_file) if plan == "PLAN" else plan)
