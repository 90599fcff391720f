from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from dreamcade.cli.evaluate import evaluate
from dreamcade.core.errors import DatasetError, UnknownNameError
from dreamcade.world import World


def invoke(*arguments: str) -> None:
    app = typer.Typer()
    app.command()(evaluate)
    CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_missing_dataset_is_named(tiny_world: World, tmp_path: Path) -> None:
    tiny_world.save(tmp_path / "toy")
    with pytest.raises(DatasetError, match="no dataset in"):
        invoke(str(tmp_path / "toy"), "--data", str(tmp_path / "none"), "--report", str(tmp_path / "report"))
    assert not (tmp_path / "report").exists()


def test_unknown_world(tmp_path: Path) -> None:
    with pytest.raises((UnknownNameError, DatasetError)):
        invoke("racign", "--data", str(tmp_path), "--report", str(tmp_path / "report"))
