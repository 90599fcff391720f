from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dreamcade.cli import app
from dreamcade.cli.errors import exit_code_of
from dreamcade.cluster.plan import read_plan
from dreamcade.world import World

PAPER = ["plan", "--preset", "paper-racing", "--devices", "ascend-910c:8"]


def test_the_paper_s_cluster_end_to_end(tmp_path: Path) -> None:
    file, picture = tmp_path / "out" / "plan.json", tmp_path / "out" / "plan.png"
    arguments = [*PAPER, "--json", str(file), "--plot", str(picture)]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "the paper" in result.stdout and "fitted" in result.stdout
    plans = json.loads(file.read_text())["plans"]
    splits = [(one["dit_devices"], one["decoder_devices"]) for one in plans]
    ours, other = splits.index((5, 3)), splits.index((3, 5))
    assert ours == 0 < other
    assert plans[ours]["fps"] / plans[other]["fps"] == pytest.approx(19.4 / 16.6, rel=0.01)
    assert all(one["bottleneck"] and one["latency_ms"] > 0 for one in plans)
    assert read_plan(file).layout.split == "5+3"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_world_s_players_on_own_devices(tiny_world: World, tmp_path: Path) -> None:
    tiny_world.save(tmp_path / "toy")
    kinds = tmp_path / "kinds.json"
    kinds.write_text(json.dumps([{"name": "board", "flops": 1e12, "bandwidth": 5e10, "memory": 4e9, "link": 1e9}]))
    arguments = ["plan", str(tmp_path / "toy"), "--devices", "board:3", "--device-kinds", str(kinds)]
    result = CliRunner().invoke(app, [*arguments, "--players", "7", "--top", "2"], catch_exceptions=False)
    assert result.exit_code == 0 and "7 players on board:3" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan"], "one world or one preset"),
        (["plan", "racing", "--devices", "4"], "got '4'; say KIND:4"),
        (["plan", "racing", "--devices", ""], "devices are given as KIND:N by commas"),
        (["plan", "--devices", "h200"], "one world or one preset"),
        (["plan", "racing", "--preset", "paper-racing", "--devices", "h200"], "one world or one preset"),
        (["plan", "racing", "--devices", "h300:2"], "unknown device kind 'h300'; did you mean 'h200'?"),
        (["plan", "racing", "--devices", "h200:none"], "must be a whole number from 1"),
        (["plan", "--preset", "paper-raceing", "--devices", "h200"], "did you mean 'paper-racing'?"),
        ([*PAPER, "--calibration", "/nowhere.json"], "cannot read /nowhere.json"),
        ([*PAPER, "--skip", "2"], "--skip is a share of frames"),
        ([*PAPER, "--decoding", "sideways"], "decoding must be round-robin or spatial"),
        ([*PAPER, "--host-cores", "0"], "host_cores of the device kind 'ascend-910c'"),
        ([*PAPER, "--latency", "-3"], "a positive number of milliseconds"),
        ([*PAPER, "--json", "/proc/nowhere/x.json"], "cannot write"),
        (["plan", "--preset", "paper-racing", "--devices", "rtx-3070:1", "--players", "9"], "GB are short"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(lambda: app(arguments)) == 2
    error = capfd.readouterr().err.strip()
    assert said in error and len(error.splitlines()) == 1


def test_the_machines_cores_can_be_told() -> None:
    carried = {}
    for cores in ("3", "14"):
        arguments = ["plan", "racing", "--devices", "h200:1", "--players", "40", "--host-cores", cores]
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0 and f"{cores} of the" in result.stdout and "cores a device" in result.stdout
        row = next(line for line in result.stdout.splitlines() if line.endswith("tick rate, encoding"))
        carried[cores] = int(row.split("tick rate")[0].split()[-1])
    assert 5 * carried["3"] < carried["14"]
