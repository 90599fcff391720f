from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dreamcade.cli.bench import bench_app
from dreamcade.core.errors import BadInputError
from dreamcade.world import World


def test_play_prints_and_writes_figures(tiny_world: World, tmp_path: Path) -> None:
    tiny_world.save(tmp_path / "toy")
    file = tmp_path / "out" / "bench.json"
    arguments = ["play", str(tmp_path / "toy"), "--seconds", "0.3", "--unpaced", "--device", "cpu", "--json", str(file)]
    result = CliRunner().invoke(bench_app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "FPS at 48x32, as fast as it goes" in result.stdout
    figures = json.loads(file.read_text())
    assert figures["frame_size"] == [48, 32]
    assert figures["encode_ms_p50"] > 0


def test_latency_wants_a_time(tiny_world: World, tmp_path: Path) -> None:
    tiny_world.save(tmp_path / "toy")
    for seconds in ("0", "nan"):
        arguments = ["latency", str(tmp_path / "toy"), "--seconds", seconds, "--device", "cpu"]
        with pytest.raises(BadInputError, match=f"got {seconds}"):
            CliRunner().invoke(bench_app, arguments, catch_exceptions=False)
