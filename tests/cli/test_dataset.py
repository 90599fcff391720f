from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from dreamcade.cli.dataset import dataset_app
from dreamcade.cli.record import record
from dreamcade.core.errors import BadInputError, DatasetError
from dreamcade.dataset.reader import Dataset


def test_info_prints_writes_figures_and_thumbnails(tmp_path: Path) -> None:
    record("gym:CarRacing-v3", tmp_path / "data", episodes=1, ticks=6, size="48x32", workers=1)
    figures, sheet = tmp_path / "figures.json", tmp_path / "sheet.png"
    arguments = ["info", str(tmp_path / "data"), "--json", str(figures), "--thumbnails", str(sheet)]
    result = CliRunner().invoke(dataset_app, arguments)
    assert result.exit_code == 0, result.output
    assert "gym:CarRacing-v3" in result.output
    assert "on_track_share" in result.output
    assert json.loads(figures.read_text())["frames"] == 6
    assert Image.open(sheet).size[0] == 6 * 240


def test_a_missing_dataset_is_a_clear_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(dataset_app, ["info", str(tmp_path / "nowhere")])
    assert isinstance(result.exception, DatasetError)


def test_help_has_an_example() -> None:
    result = CliRunner().invoke(dataset_app, ["info", "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output


def test_a_driver_s_play_and_another_are_put_together(tmp_path: Path) -> None:
    for name, seed in (("driver", 0), ("mine", 1)):
        record("gym:CarRacing-v3", tmp_path / name, episodes=2, ticks=6, size="48x32", seed=seed, workers=1)
    parts = [Dataset.open(tmp_path / name) for name in ("driver", "mine")]
    arguments = ["merge", str(parts[0].path), str(parts[1].path), "--out", str(tmp_path / "all")]
    result = CliRunner().invoke(dataset_app, arguments)
    assert result.exit_code == 0, result.output
    assert "4 episodes (2 held out), 24 frames" in result.output
    merged = Dataset.open(tmp_path / "all")
    assert {(e.seed, e.split) for e in merged.episodes()} == {(e.seed, e.split) for p in parts for e in p.episodes()}
    assert "driver" in merged.meta.recording  # every episode can be replayed
    told = CliRunner().invoke(dataset_app, ["info", str(tmp_path / "all")]).output
    assert "4 episodes (2 held out)" in told and "styles of play" in told
    again = CliRunner().invoke(dataset_app, arguments)
    assert isinstance(again.exception, BadInputError) and "is not empty" in str(again.exception)


@pytest.mark.parametrize("text", ["", "{}"])
def test_a_damaged_index_is_a_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset.json").write_text(text)
    assert isinstance(CliRunner().invoke(dataset_app, ["info", str(tmp_path)]).exception, DatasetError)
