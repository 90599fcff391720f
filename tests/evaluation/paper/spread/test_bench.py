"""Figures of frames, and the whole measurement; over processes it runs in the test of recipes/gpu/cluster.sh."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from dreamcade.cli.bench import bench_app
from dreamcade.cli.errors import exit_code_of
from dreamcade.cluster.layout import Layout
from dreamcade.cluster.plan import Plan
from dreamcade.evaluation.paper.spread import forecast
from dreamcade.evaluation.paper.spread.bench import figures
from dreamcade.evaluation.paper.spread.pictures import Made


def frames(every_ms: float, dit_ms: float, draw_ms: float) -> list[Made]:
    pixels = torch.zeros(1, 2, 2, 3, dtype=torch.uint8)
    latency = dit_ms + draw_ms + 3.0
    return [Made(n, pixels, dit_ms, draw_ms, latency, n * every_ms / 1e3) for n in range(21)]


@pytest.mark.parametrize(
    ("layout", "bound"),
    [(Layout(1, 1), 25.0), (Layout(1, 2), 50.0), (Layout(1, 2, "spatial"), 25.0), (Layout(shared=True), 20.0)],
)
def test_figures_of_frames(layout: Layout, bound: float) -> None:
    if layout.shared and torch.cuda.is_available():
        pytest.skip("a GPU works at both stages at once")
    found = figures(frames(50.0, 10.0, 40.0), layout)
    assert found["fps"] == pytest.approx(20) and found["bound_fps"] == pytest.approx(bound)
    assert found["of_bound"] == pytest.approx(20 / bound) and found["wait_ms"] == pytest.approx(3)
    assert found["latency_ms"] == found["latency_p95_ms"] == pytest.approx(53)


def test_one_process_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "gloo_times", lambda: (1e-4, 1e9))
    file = tmp_path / "out" / "spread.json"
    arguments = ["paper", "paper-platformer", "--shrink", "15", "--devices", "cpu:1", "--steps", "1"]
    arguments += ["--seconds", "0.2", "--threads", "1", "--json", str(file)]
    result = CliRunner().invoke(bench_app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    run = json.loads(file.read_text())["runs"]["1"]
    assert run["split"] == "1" and run["fps"] > 0 and run["skipped"] == 0
    assert run["ratio"] == pytest.approx(run["fps"] / Plan.from_json(run["predicted"]).fps)
    assert f"{run['fps']:.4g}" in result.stdout and "rests on" in result.stdout
    assert run["latency_p95_ms"] >= run["latency_ms"] >= run["dit_ms"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--plan", "auto"], "give them, as in --devices cuda:8"),
        (["--devices", "cpu:2", "--plan", "5+3"], "the plan is for 8 devices (5+3) and 2 are given"),
        (["--devices", "cpu:two"], "devices are KIND:COUNT"),
        (["--devices", "cpu:2", "--decoding", "half"], "round-robin or spatial; got 'half'"),
        (["--devices", "cpu:2", "--attention", "half"], "attention must be one of"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(lambda: bench_app(["paper", "paper-racing", *arguments])) == 2
    error = capfd.readouterr().err.strip()
    assert said in error and len(error.splitlines()) == 1
