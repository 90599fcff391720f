"""`dreamcade bench bits`: a table and figures; bad input ends in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dreamcade.cli.bench import bench_app
from dreamcade.cli.errors import exit_code_of
from dreamcade.core.types import Episode
from dreamcade.dataset.format import DatasetMeta
from dreamcade.dataset.writer import DatasetWriter
from dreamcade.world import World


@pytest.fixture(scope="module")
def folders(
    tiny_world: World, toy_play: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, str]:
    """A world and a recording of its game."""
    folder = tmp_path_factory.mktemp("bits")
    tiny_world.save(folder / "toy")
    meta = DatasetMeta("toy:square", tiny_world.controls, tiny_world.frame_size, 50.0, "CC0-1.0", "a test")
    writer = DatasetWriter(folder / "data", meta)
    for seed in range(2):
        frames, actions = toy_play(40, seed)
        writer.write(Episode(seed, frames, actions, {}), "heldout" if seed else "train")
    return str(folder / "toy"), str(folder / "data")


def test_a_table_and_figures(folders: tuple[str, str], tmp_path: Path) -> None:
    world, data = folders
    quick = ("--windows", "1", "--ticks", "2", "--repeats", "1", "--json", str(tmp_path / "bits.json"))
    result = CliRunner().invoke(bench_app, ["bits", world, "--data", data, *quick], catch_exceptions=False)
    assert result.exit_code == 0
    for words in ("persistence", "int4 everywhere", "intervals within 0.3 dB", "1 threads"):
        assert words in result.output
    assert json.loads((tmp_path / "bits.json").read_text())["rows"]["int8"]["pass_ms"] > 0


def test_bad_input(folders: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world, data = folders
    for arguments, said in (
        (["bits", world, "--data", str(tmp_path)], str(tmp_path)),
        (["bits", "nowhere", "--data", data], "nowhere"),
        (["bits", world, "--data", data, "--ticks", "400"], "no held-out episode"),
    ):
        assert exit_code_of(lambda: bench_app(arguments, standalone_mode=False)) == 2  # noqa: B023
        lines = capsys.readouterr().err.strip().splitlines()
        assert lines[-1].startswith("dreamcade: ") and said in lines[-1]
