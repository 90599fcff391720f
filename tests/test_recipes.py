"""The recipes run from the real game to an evaluated bundle, at toy size, and go on where they were stopped."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gymnasium", reason="recording CarRacing needs the extra 'games'")

RECIPES = Path(__file__).parents[1] / "recipes"
LITTLE = "--quick --windows 3 --long-frames 100"
TOY = {
    "SIZE": "240x160", "TICKS": "150", "EPISODES": "12", "PRESET": "smoke", "EVALUATE": LITTLE, "STARTS": "",
    "COMPILE": "", "PREDICTOR": "--steps 5 --levels 1,1,1", "CALIBRATE": "--windows 2 --ticks 4 --steps 5",
}  # fmt: skip


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command, env=os.environ | TOY | {"PATH": path} | environment, capture_output=True, text=True, check=False
    )


def test_on_a_cpu(tmp_path: Path) -> None:
    axes = LITTLE + " --axis frames --axis long_play"
    done = run(str(RECIPES / "racing.sh"), str(tmp_path), TOY["EPISODES"], TOY["PRESET"], EVALUATE=axes)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "racing/world.json").exists() and list((tmp_path / "report").glob("*.html"))
    figures = json.loads((tmp_path / "report.json").read_text())
    assert figures["world"] == "racing"
    card = json.loads((tmp_path / "racing/world.json").read_text())["card"]
    assert card["evaluation"]["codec, PSNR in dB"] == figures["psnr_codec"]
    assert "predictor" in card and (tmp_path / "racing/predictor.safetensors").exists()
    study = str(tmp_path / "study")
    place = str(tmp_path / "data"), str(tmp_path / "racing"), study
    done = run(str(RECIPES / "scaling.sh"), *place, "4", ONLY="depth-4 a-quarter", PRESET="smoke")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in Path(study).iterdir()) == ["a-quarter.training", "curves.png", "depth-4.training"]


def test_on_a_gpu_in_slices(tmp_path: Path) -> None:
    script, out, work = str(RECIPES / "gpu/racing.sh"), str(tmp_path / "out"), str(tmp_path / "work")
    first = run(script, out, WORK=work, SLICE="9")
    assert first.returncode == 75, first.stderr
    assert "call it again" in (tmp_path / "out/status.txt").read_text()
    done = run(script, out, WORK=work, AXES="frames,distribution long_play")
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "out/racing/world.json").read_text())["card"]
    for axes, figure, said in (("frames-distribution", "psnr_codec", "codec, PSNR in dB"),
                               ("long_play", "drift_contrast", "change of contrast in long play")):  # fmt: skip
        figures = json.loads((tmp_path / f"out/figures-{axes}.json").read_text())
        assert card["evaluation"][said] == figures[figure]
        assert (tmp_path / f"out/report-{axes}.html").exists()
    assert "complete" in (tmp_path / "out/status.txt").read_text()


def test_on_a_gpu_a_failure_is_not_a_slice(tmp_path: Path) -> None:
    failed = run(str(RECIPES / "gpu/racing.sh"), str(tmp_path / "out"), WORK=str(tmp_path / "work"), SIZE="nonsense")
    assert failed.returncode == 2, failed.stderr
    assert "failed with exit code 2" in (tmp_path / "out/status.txt").read_text()


def test_the_ladder_on_a_gpu(tmp_path: Path) -> None:
    toy = {"WORLDS": "racing", "EPISODES": "2", "TICKS": "120", "SECONDS_EACH": "2", "WINDOWS": "1"}
    script = str(RECIPES / "gpu/ladder.sh")
    done = run(script, str(tmp_path / "out"), WORK=str(tmp_path / "work"), ABLATION="--ticks 8", **toy)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "out/ladder-racing.json").read_text())
    assert next(iter(figures["rungs"])) == "baseline" and figures["rungs"]["all"]["fps"] > 0
    assert (tmp_path / "out/ladder-racing.png").stat().st_size > 10_000
