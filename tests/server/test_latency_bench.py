"""`dreamcade bench latency`: a server, a browser and a page, all of them real."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dreamcade.core.errors import BadInputError, MissingExtraError
from dreamcade.evaluation.latency import STAGES
from dreamcade.server import chromium
from dreamcade.server.chromium import NAMES, open_chromium
from dreamcade.server.local_server import local_server
from dreamcade.world import World

HAS_CHROMIUM = any(map(shutil.which, NAMES))


@pytest.fixture
def toy(tiny_world: World, tmp_path: Path) -> Path:
    tiny_world.save(tmp_path / "toy")
    return tmp_path / "toy"


@pytest.mark.browser
@pytest.mark.skipif(not HAS_CHROMIUM, reason="needs Chromium: apt-get install chromium")
def test_a_few_seconds_of_play_are_measured(toy: Path, tmp_path: Path) -> None:
    pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")
    pytest.importorskip("matplotlib", reason="needs the extra 'train'")
    file, plot = tmp_path / "latency.json", tmp_path / "latency.png"
    command = [sys.executable, "-m", "dreamcade", "bench", "latency", str(toy), "--seconds", "3", "--device", "cpu"]
    command += ["--no-pipeline", "--speculation", "--json", str(file), "--plot", str(plot)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text())
    assert 0 < figures["m2p_ms_p50"] <= figures["m2p_ms_p95"] <= figures["m2p_ms_p99"]
    assert set(figures["stages"]) == set(STAGES)
    assert sum(stage["mean"] for stage in figures["stages"].values()) == pytest.approx(figures["m2p_ms_mean"], abs=1.0)
    assert 0 < figures["effective_ms"] < figures["m2p_ms_p95"]
    assert figures["changes"] >= 3 and figures["key_events"] >= figures["changes"]
    assert figures["frame_size"] == [48, 32] and figures["fps"] > 1 and figures["machine"]
    assert figures["modes"] == {"pipeline": False, "speculation": False, "extrapolation": False, "in_between": False}
    assert any("dreamcade train predictor" in note for note in figures["notes"])
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert "key to picture (true)" in done.stdout and "amortized" in done.stdout


def test_without_playwright_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(MissingExtraError, match=r"dreamcade\[browser\]"), open_chromium():
        pass


def test_without_chromium_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")
    monkeypatch.setattr(chromium, "NAMES", ())
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with pytest.raises(BadInputError, match="apt-get install chromium"), open_chromium():
        pass


def test_a_server_that_does_not_come_up_says_why(toy: Path) -> None:
    (toy / "codec.safetensors").unlink()
    with pytest.raises(BadInputError, match="codec"), local_server(str(toy)):
        pass
