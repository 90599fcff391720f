from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dreamcade.cli.world import app
from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.world import World, shipped


@pytest.fixture
def shelf(tiny_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shipped, "SHIPPED_FOLDER", tmp_path)
    tiny_world.save(tmp_path / "toy")
    return tmp_path


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_list(shelf: Path) -> None:
    assert "toy" in invoke("list")
    assert "48x32" in invoke("list")
    assert json.loads(invoke("list", "--json")) == [{"name": "toy", "title": "Toy", "game": "toy:square"}]


def test_list_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "SHIPPED_FOLDER", tmp_path)
    assert "No world is shipped" in invoke("list")
    assert json.loads(invoke("list", "--json")) == []


def test_info(shelf: Path) -> None:
    assert "A square that slides." in invoke("info", "toy")
    data = json.loads(invoke("info", str(shelf / "toy"), "--json"))
    assert data["name"] == "toy"
    assert data["bytes"] > 0
    assert data["frame_size"] == [48, 32]


def test_info_tells_a_card_in_plain_lines(shelf: Path, tiny_world: World) -> None:
    card = {
        "evaluation": {"next frame, PSNR in dB": 33.52448037910799},
        "what must hold": [{"title": "Sharpness", "target": "≥ 5 dB", "holds": None}],
        "does badly": ["Corners [/soft] are soft.", "Far fields fray."],
    }
    manifest = dataclasses.replace(tiny_world.manifest, card=card, description="A square [/bold] that slides.")
    dataclasses.replace(tiny_world, manifest=manifest).save(shelf / "toy")
    told = invoke("info", "toy")
    assert "A square [/bold] that slides." in told
    for line in (
        "next frame, PSNR in dB: 33.52",
        "title Sharpness · target ≥ 5 dB · holds –",
        "Corners [/soft] are soft.",
    ):
        assert line in told, told
    assert "{" not in told


def test_catalogue(shelf: Path, tiny_world: World) -> None:
    card = {"does badly": ["It has no corners."], "machine": "a laptop"}
    manifest = dataclasses.replace(tiny_world.manifest, card=card)
    dataclasses.replace(tiny_world, manifest=manifest, clip=b"moving").save(shelf / "toy")
    page = invoke("catalogue")
    assert "### Does badly\n\n- It has no corners." in page
    assert "| [toy](#toy) | toy:square | 48×32 | 50 a second |" in page
    invoke("catalogue", "toy", "--out", str(shelf / "docs" / "worlds.md"))
    assert "](../toy/clip.webp)" in (shelf / "docs" / "worlds.md").read_text()


def test_card(shelf: Path, tiny_world: World, tmp_path: Path) -> None:
    manifest = dataclasses.replace(tiny_world.manifest, card={"machine": "a laptop", "evaluation": {"old": 1}})
    dataclasses.replace(tiny_world, manifest=manifest).save(shelf / "toy")
    report, notes = tmp_path / "report", tmp_path / "notes.json"
    report.mkdir()
    line = {"axis": "frames", "title": "Next frame", "value": "31 dB", "target": "≥ 30 dB", "holds": True}
    figures = {"world": "toy", "psnr_next": 31.0, "summary": {"frames": "Good."}, "criteria": [line]}
    (report / "figures.json").write_text(json.dumps(figures))
    notes.write_text(json.dumps({"does badly": ["It has no corners."]}))
    reports = ("--report", str(report)) * 2  # what is measured twice stands there once
    invoke("card", "toy", *reports, "--notes", str(notes), "--out", str(shelf / "toy"))
    told = World.load("toy")
    assert [line["value"] for line in told.manifest.card["what must hold"]] == ["31 dB"]
    assert told.manifest.card["evaluation"] == {"next frame, PSNR in dB": 31.0}
    assert told.manifest.card["machine"] == "a laptop"
    assert "It has no corners." in (shelf / "toy" / "README.md").read_text()
    assert told.identity == World.load(tiny_world.save(tmp_path / "again").folder or "").identity
    (report / "figures.json").write_text(json.dumps(figures | {"world": "other"}))
    with pytest.raises(BadInputError, match="an evaluation of other, not of toy"):
        invoke("card", "toy", "--report", str(report), "--out", str(shelf / "toy"))
    with pytest.raises(BadInputError, match="nothing to put on the card"):
        invoke("card", "toy", "--out", str(shelf / "toy"))


def test_verify(shelf: Path) -> None:
    assert "ok  4 files match" in invoke("verify", "toy")
    assert json.loads(invoke("verify", "toy", "--json"))["ok"] is True


def test_unknown_world(shelf: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'toy'"):
        invoke("verify", "toyy")
