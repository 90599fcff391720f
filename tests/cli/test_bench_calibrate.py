from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dreamcade.cli.bench import bench_app
from dreamcade.cli.errors import exit_code_of
from dreamcade.cluster.calibration import read_calibration
from dreamcade.evaluation import device_times
from dreamcade.world import World


def test_a_world_end_to_end(tiny_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_times, "gloo_times", lambda: (2e-4, 1e9))
    tiny_world.save(tmp_path / "toy")
    file = tmp_path / "out" / "calibration.json"
    arguments = ["calibrate", str(tmp_path / "toy"), "--seconds", "0.1", "--device", "cpu", "--json", str(file)]
    result = CliRunner().invoke(bench_app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "pass" in result.stdout and "cpu-core: exchange" in result.stdout
    assert read_calibration(file).workload == "toy"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["raceing"], "did you mean 'racing'?"),
        (["racing", "--kind", "abacus"], "unknown device kind 'abacus'"),
        (["racing", "--shrink", "3"], "only a preset can be shrunk"),
        (["racing", "--json", "/proc/nowhere/x.json"], "cannot write"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(lambda: bench_app(["calibrate", *arguments])) == 2
    error = capfd.readouterr().err.strip()
    assert said in error and len(error.splitlines()) == 1
