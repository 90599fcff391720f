from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from dreamcade.cli.dataset import dataset_app
from dreamcade.cli.record import record
from dreamcade.core.errors import DatasetError


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


@pytest.mark.parametrize("text", ["", "{}"])
def test_a_damaged_index_is_a_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset.json").write_text(text)
    assert isinstance(CliRunner().invoke(dataset_app, ["info", str(tmp_path)]).exception, DatasetError)
