from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from dreamcade.cli.bench import bench_app
from dreamcade.cli.errors import exit_code_of
from dreamcade.evaluation import ceilings, roofline_stages
from dreamcade.evaluation.roofline_measure import measure_roofline
from dreamcade.evaluation.roofline_plot import plot_roofline
from dreamcade.evaluation.roofline_stages import Subject
from dreamcade.evaluation.roofline_table import roofline_lines
from dreamcade.world import World


@pytest.fixture(autouse=True)
def _small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ceilings.MATRIX, "cpu", 128)


def test_a_world_end_to_end(tiny_world: World, tmp_path: Path) -> None:
    tiny_world.save(tmp_path / "toy")
    figures, picture = tmp_path / "out" / "roofline.json", tmp_path / "out" / "roofline.png"
    arguments = ["roofline", str(tmp_path / "toy"), "--device", "cpu", "--repeats", "2", "--top", "4", "--threads", "1"]
    arguments += ["--json", str(figures), "--plot", str(picture)]
    result = CliRunner().invoke(bench_app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert [line.split(":")[0] for line in result.stdout.splitlines()[-3:]] == ["dynamics", "decode", "encode"]
    assert "the paper says" in result.stdout and "At an H200's ridge" in result.stdout
    found = json.loads(figures.read_text())
    assert list(found["stages"]) == ["dynamics", "decode", "encode"]
    names = {operation["name"] for operation in found["stages"]["dynamics"]["operations"]}
    assert {"transformer.blocks.attention.qkv linear", "transformer.blocks.attention sdpa"} <= names
    # Two sampling steps of two blocks, 6 tokens, 16 → 48.
    qkv = next(o for o in found["stages"]["dynamics"]["operations"] if o["name"].endswith("qkv linear"))
    assert (qkv["calls"], qkv["flops"]) == (4, 4 * 2 * 6 * 16 * 48)
    assert found["threads"] == 1 and found["kernels"] == "reference"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_registered_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = nn.Linear(8, 8), torch.ones(4, 8)

    def preset(device: torch.device, steps: int | None, shrink: int) -> Subject:
        return Subject("toy-preset", {"decode": lambda: layer(x)}, {"layer": layer}, device)

    monkeypatch.setitem(roofline_stages.PRESETS, "toy-preset", preset)
    arguments = ["roofline", "toy-preset", "--device", "cpu", "--repeats", "1", "--threads", "1"]
    result = CliRunner().invoke(bench_app, arguments, catch_exceptions=False)
    assert result.exit_code == 0 and "layer linear" in result.stdout


def test_the_papers_engine(tmp_path: Path) -> None:
    figures = tmp_path / "roofline.json"
    arguments = ["roofline", "paper-racing", "--shrink", "15", "--device", "cpu", "--repeats", "1", "--threads", "1"]
    result = CliRunner().invoke(bench_app, [*arguments, "--json", str(figures)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    stages = json.loads(figures.read_text())["stages"]
    assert list(stages) == ["dynamics", "decode"]
    names = {operation["name"] for stage in stages.values() for operation in stage["operations"]}
    assert "blocks.attention.project linear" in names and any("conv2d" in name for name in names)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["racing", "--shrink", "2"], "only a preset can be shrunk (paper-racing, paper-platformer)"),
        (["rascing"], "did you mean 'racing'?"),
        (["racing", "--device", "gpu0"], "unknown device"),
        (["racing", "--json", "/proc/nowhere/x.json"], "cannot write"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(lambda: bench_app(["roofline", *arguments])) == 2
    error = capfd.readouterr().err.strip()
    assert said in error and len(error.splitlines()) == 1


@pytest.mark.openvino
def test_what_is_seen_stands_beside_what_is_played(tiny_world: World) -> None:
    """A compiled network has hardly an operation left to count: the plain one is counted, and both are timed."""
    subject = roofline_stages.world_stages(tiny_world, "cpu")
    assert set(subject.stages) == {"dynamics", "decode", "encode"}
    assert set(subject.played) == {"dynamics", "decode"}
    assert subject.path.startswith("OpenVINO")
    torch.set_num_threads(1)
    found = measure_roofline(
        "toy", subject.stages, subject.modules, subject.device, repeats=3, played=subject.played, path=subject.path
    )
    dynamics, _, encode = found.stages
    assert len(dynamics.operations) > 20
    assert dynamics.played_seconds is not None and 0 < dynamics.played_seconds < 1
    assert encode.played_seconds is None
    assert found.to_json()["stages"]["encode"]["ms_played"] is None
    assert any("the same" in line for line in roofline_lines(found, 3))
    assert any("as played: by OpenVINO" in line for line in roofline_lines(found, 3))
    assert plot_roofline(found).startswith(b"\x89PNG")


def test_where_nothing_is_compiled_nothing_else_is_played(tiny_world: World) -> None:
    assert roofline_stages.world_stages(tiny_world, "cpu").played == {}
