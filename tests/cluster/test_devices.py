from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dreamcade.cluster.devices import (
    KINDS,
    DeviceKind,
    devices_text,
    first_devices,
    parse_devices,
    read_kinds,
    with_host_cores,
)
from dreamcade.core.errors import BadInputError, UnknownNameError


def test_the_usual_kinds_are_there_and_say_where_their_figures_are_from() -> None:
    wanted = {"ascend-910c", "a100", "h100", "h200", "b200", "rtx-3060", "rtx-3090", "rtx-4090", "rtx-5090", "cpu-core"}
    assert wanted <= KINDS.keys()
    for name, kind in KINDS.items():
        assert kind.name == name and kind.source
        assert kind.flops > kind.bandwidth > kind.network > 0, name


def test_newer_and_larger_kinds_are_faster() -> None:
    for slower, faster in (("a100", "h100"), ("h200", "b200"), ("rtx-3060", "rtx-3090"), ("rtx-4090", "rtx-5090")):
        assert KINDS[slower].flops < KINDS[faster].flops
        assert KINDS[slower].bandwidth < KINDS[faster].bandwidth


def test_cores_of_an_operators_machines() -> None:
    devices = with_host_cores(parse_devices("h200:8,rtx-4090:2"), 6.0)
    assert [(group.kind.host_cores, group.count) for group in devices] == [(6.0, 8), (6.0, 2)]
    with pytest.raises(BadInputError, match="host_cores of the device kind 'h200'"):
        with_host_cores(devices, 0.0)


def test_devices_are_read_in_order_and_added_up() -> None:
    devices = parse_devices(" h200:8, RTX-4090 :2,H200 ")
    assert [(group.kind.name, group.count) for group in devices] == [("h200", 9), ("rtx-4090", 2)]
    assert devices_text(devices) == "h200:9,rtx-4090:2"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "KIND:N by commas"),
        ("h200:8,", "KIND:N by commas"),
        ("h200:0", "must be a whole number from 1"),
        ("h200:-1", "must be a whole number from 1"),
        ("h200:", "must be a whole number from 1"),
        ("h200:1.5", "got '1.5'"),
        ("h200:99999", "to 10000"),
        ("4", "got '4'; say KIND:4"),
        ("8xh200", "say h200:8"),
        ("8 h200", "say h200:8"),
    ],
)
def test_bad_devices(text: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        parse_devices(text)


def test_an_unknown_kind_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'rtx-4090'"):
        parse_devices("rtx4090:2")


def test_own_kinds_from_a_file(tmp_path: Path, kind: DeviceKind) -> None:
    file = tmp_path / "kinds.json"
    file.write_text(
        json.dumps([kind.to_json(), {"name": "tpu", "flops": 2e14, "bandwidth": 8e11, "memory": 16e9, "link": 1e11}])
    )
    kinds = read_kinds(file)
    assert kinds["toy"] == kind and kinds["tpu"].per_machine == 8 and "h200" in kinds
    assert str(parse_devices("tpu:3", kinds)[0]) == "tpu:3"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no valid JSON"),
        ("3", "a JSON list of device kinds"),
        ('[{"name": "x"}]', "needs name, flops, bandwidth, memory and link"),
        ('[{"name": "x", "colour": 1}]', "does not know colour"),
        ('[{"name": "x", "flops": -1, "bandwidth": 1, "memory": 1, "link": 1}]', "flops of the device kind 'x'"),
        ('[{"name": "auto", "flops": 1, "bandwidth": 1, "memory": 1, "link": 1}]', "cannot be called 'auto'"),
        ('[{"name": "x", "flops": 1, "bandwidth": 1, "memory": 1, "link": 1, "host": "no"}]', "true or false"),
        ('[{"name": "x", "flops": 1, "bandwidth": 1, "memory": 1, "link": 1, "per_machine": 2.5}]', "a whole number"),
        ('[{"name": "x:y", "flops": 1, "bandwidth": 1, "memory": 1, "link": 1}]', "needs a name"),
        ('[{"name": "x", "flops": "1", "bandwidth": 1, "memory": 1, "link": 1}]', "flops of the device kind 'x'"),
    ],
)
def test_a_damaged_file_of_kinds_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "kinds.json"
    file.write_text(text)
    with pytest.raises(BadInputError, match=said) as raised:
        read_kinds(file)
    assert "kinds.json" in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"cannot read .*none\.json"):
        read_kinds(tmp_path / "none.json")


def test_planning_needs_no_pytorch() -> None:
    names = ["assessment", "explanation", "plan", "planner", "report"]  # and all that they import
    script = "import sys\n" + "\n".join(f"import dreamcade.cluster.{name}" for name in names)
    done = subprocess.run(
        [sys.executable, "-c", script + "\nprint('torch' in sys.modules, 'numpy' in sys.modules)"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == "False False\n"


def test_the_first_devices() -> None:
    devices = parse_devices("h200:2,rtx-4090:2")
    assert [str(group) for count in (1, 3, 6) for group in first_devices(devices, count)] == [
        "h200:1", "h200:2", "rtx-4090:1", "h200:2", "rtx-4090:4",
    ]  # fmt: skip
