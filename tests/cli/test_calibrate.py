"""`dreamcade calibrate`: a table, figures, and a bundle that knows when it may skip."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from dreamcade.cli.calibrate import calibrate
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import Episode
from dreamcade.dataset.format import DatasetMeta
from dreamcade.dataset.writer import DatasetWriter
from dreamcade.world import World, verify_world

QUICK = ("--windows", "2", "--ticks", "5", "--steps", "2")


def invoke(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(calibrate)
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


@pytest.fixture(scope="module")
def folders(
    tiny_world: World, toy_play: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A world and a recording of its game."""
    folder = tmp_path_factory.mktemp("calibrate")
    tiny_world.save(folder / "toy")
    meta = DatasetMeta("toy:square", tiny_world.controls, tiny_world.frame_size, 50.0, "CC0-1.0", "a test")
    writer = DatasetWriter(folder / "data", meta)
    for seed in range(3):
        frames, actions = toy_play(50, seed)
        actions[:] = actions[0]  # what is new is computed: only a player who holds the keys leaves anything to skip
        writer.write(Episode(seed, frames, actions, {}), "heldout" if seed == 2 else "train")
    return folder / "toy", folder / "data"


def test_a_world_is_calibrated(folders: tuple[Path, Path], tmp_path: Path) -> None:
    world, data = map(str, folders)
    figures, plot, out = tmp_path / "figures.json", tmp_path / "skips.png", tmp_path / "calibrated"
    places = ("--data", data, "--out", str(out), "--json", str(figures), "--plot", str(plot))
    result = invoke(world, *places, "--budget-db", "60", *QUICK)
    assert result.exit_code == 0
    assert "stored in" in result.output and "ours" in result.output
    made = World.load(out)
    assert made.extrapolator is not None
    assert json.loads(figures.read_text())["chosen"] == made.extrapolator.config.to_json()
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert verify_world(out)[-1].startswith("extrapolation goes on from every start")
    again = invoke(str(out), "--data", data, "--out", str(out), "--again", "--budget-db", "60", *QUICK)
    assert again.exit_code == 0


def test_a_budget_that_nothing_keeps(folders: tuple[Path, Path], tmp_path: Path) -> None:
    world, data = map(str, folders)
    result = invoke(world, "--data", data, "--out", str(tmp_path / "out"), "--budget-db", "-60", *QUICK)
    assert result.exit_code == 0
    assert "even the fewest skips cost more than -60 dB or 10% of LPIPS: nothing is stored" in result.output
    assert not (tmp_path / "out").exists()


def test_keeping_what_is_not_there(folders: tuple[Path, Path], tmp_path: Path) -> None:
    world, data = map(str, folders)
    with pytest.raises(BadInputError, match="leave --again out"):
        invoke(world, "--data", data, "--out", str(tmp_path / "out"), "--again", *QUICK)
