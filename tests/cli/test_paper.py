from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dreamcade.cli.bench import bench_app
from dreamcade.cli.errors import exit_code_of
from dreamcade.evaluation import ceilings


def test_a_shrunk_preset_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ceilings.MATRIX, "cpu", 128)
    figures, picture = tmp_path / "out" / "paper.json", tmp_path / "out" / "paper.png"
    arguments = ["paper", "paper-racing", "--shrink", "15", "--steps", "1,2", "--seconds", "0.1", "--device", "cpu"]
    arguments += ["--threads", "1", "--no-unfused", "--json", str(figures), "--plot", str(picture)]
    result = CliRunner().invoke(bench_app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "26.4 FPS on 8 devices" in result.stdout
    found = json.loads(figures.read_text())
    assert list(found["frames"]) == ["1", "2"] and found["threads"] == 1
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["paper-rascing"], "did you mean 'paper-racing'?"),
        (["paper-racing", "--attention", "half"], "attention must be one of factorised, full; got 'half'"),
        (["paper-racing", "--decoder", "heavy"], "decoder must be one of convolutional, light; got 'heavy'"),
        (["paper-racing", "--weights", "fp3"], "weights must be one of"),
        (["paper-racing", "--steps", "1,many"], "--steps takes whole numbers by commas"),
        (["paper-racing", "--device", "gpu0"], "unknown device"),
        (["paper-racing", "--json", "/proc/nowhere/x.json"], "cannot write"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(lambda: bench_app(["paper", *arguments])) == 2
    error = capfd.readouterr().err.strip()
    assert said in error and len(error.splitlines()) == 1
