"""The recipes run from the real game to an evaluated bundle, at toy size, and go on where they were stopped."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("gymnasium", reason="recording CarRacing needs the extra 'games'")

RECIPES = Path(__file__).parents[1] / "recipes"
LITTLE = "--quick --windows 3 --long-frames 100"
TOY = {
    "SIZE": "144x96", "TICKS": "100", "EPISODES": "12", "PRESET": "smoke", "EVALUATE": LITTLE, "STARTS": "",
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


PAPER = {
    "PRESETS": "paper-platformer", "ATTENTIONS": "full", "DECODERS": "convolutional", "STEPS": "1", "SHRINK": "15",
    "SECONDS_EACH": "0.1", "BLOCKS": "16x8x12u", "FEW_BITS": "fp8-16 int8-4", "WORLDS": "",
    "TESTS": "tests/evaluation/paper",
    "PAPER": "--threads 1", "ROOFLINE": "--threads 1 --repeats 1", "OMP_NUM_THREADS": "1",
}  # fmt: skip


@pytest.mark.slow
def test_the_papers_engine_on_a_gpu_in_slices(tmp_path: Path) -> None:
    script = str(RECIPES / "gpu/paper.sh")
    first = run(script, str(tmp_path), SLICE="0", **PAPER)
    assert first.returncode == 75 and "before blocks was complete; call it again" in first.stdout
    done = run(script, str(tmp_path), **PAPER)
    assert done.returncode == 0, done.stdout + done.stderr
    read = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in (
        "blocks", "parity-paper-platformer", "paper-platformer-full-convolutional", "bytes-paper-platformer",
        "roofline-paper-platformer", "paper-racing-fp8-cache-16", "paper-racing-int8-cache-4", "operations",
    )}  # fmt: skip
    assert read["blocks"]["16x8x12u"]["times"]["fused"]["block_ms"] != 0
    for errors in read["parity-paper-platformer"]["errors"].values():
        assert 0 < errors["fused"] < 0.05 and 0 < errors["eager"] < 0.05
    counted = read["bytes-paper-platformer"]["counted"]["decode"]
    assert 0 < counted["fused"] < counted["eager"] and "ncu" not in read["bytes-paper-platformer"]
    assert read["paper-platformer-full-convolutional"]["frames"]["1"]["fps"] > 0
    timed = read["operations"]["operations"]
    assert len(timed) == 21 and all(one["ms"]["fused"] > 0 and not one["failed"] for one in timed.values())
    for name, bits in (("fp8", 16), ("int8", 4)):
        found = read[f"paper-racing-{name}-cache-{bits}"]
        assert found["weights"] == name and found["cache_bits"] == bits and 0 < found["error"] < 0.5
    assert list(read["roofline-paper-platformer"]["stages"]) == ["dynamics", "decode"]
    assert "skipped" in (tmp_path / "tests-evaluation-paper.log").read_text() or torch.cuda.is_available()
    # What is done is not done again; what fails is told, and does not stop the rest.
    (tmp_path / "blocks.log").unlink()
    failed = run(script, str(tmp_path), **PAPER | {"BLOCKS": "nonsense"})
    assert failed.returncode == 1 and "blocks failed with exit code 1" in failed.stdout
    assert "paper-platformer" not in failed.stdout and "1 measurement failed" in (tmp_path / "status.txt").read_text()


CLUSTER = {
    "KIND": "cpu", "DEVICES": "2", "SHRINK": "15", "PRESETS": "paper-platformer", "COUNTS": "4", "STEPS": "1",
    "SECONDS_EACH": "0.1", "SPLITS": "1+1 5+3", "TESTS": "", "OMP_NUM_THREADS": "1",
}  # fmt: skip


@pytest.mark.slow
def test_the_papers_engine_over_devices_in_slices(tmp_path: Path) -> None:
    script, split = str(RECIPES / "gpu/cluster.sh"), "paper-platformer-1+1"
    first = run(script, str(tmp_path), SLICE="0", **CLUSTER)
    assert first.returncode == 75 and f"before {split} was complete; call it again" in first.stdout
    done = run(script, str(tmp_path), **CLUSTER)
    assert done.returncode == 0, done.stdout + done.stderr
    left = "complete; left out, with 2 of cpu: paper-platformer on 4; paper-platformer in 5+3"
    assert left in (tmp_path / "status.txt").read_text()
    found = json.loads((tmp_path / f"{split}.json").read_text())["runs"]["1"]
    assert found["fps"] > 0 and found["predicted"]["fps"] > 0 and found["split"] == "1+1"
    # What is done is not done again.
    assert split not in run(script, str(tmp_path), **CLUSTER).stdout


def test_counters_of_ncu_are_summed() -> None:
    spec = importlib.util.spec_from_file_location("paper_kernels", RECIPES / "gpu/paper_kernels.py")
    assert spec and spec.loader
    paper_kernels = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(paper_kernels)
    lines = [
        '"ID","Kernel Name","Metric Name","Metric Unit","Metric Value"',
        '"0","conv","dram__bytes_read.sum","byte","1,024"',
        '"0","conv","dram__bytes_write.sum","byte","512"',
        '"1","norm","dram__bytes_read.sum","byte","100"',
        '"1","norm","dram__bytes_write.sum","byte","8"',
    ]
    assert paper_kernels.sum_counters(lines) == {"read": 1124, "written": 520, "kernels": 2}


def test_a_gpu_machine_needs_no_openvino() -> None:
    script = RECIPES / "gpu/requirements.py"
    done = run(sys.executable, str(script), str(RECIPES.parent / "pyproject.toml"), "games,dev")
    names = {re.split(r"[^\w-]", line)[0] for line in done.stdout.splitlines()}
    assert {"torch", "ale-py", "gymnasium", "pytest", "playwright", "triton"} <= names
    assert not {"openvino", "dreamcade"} & names
