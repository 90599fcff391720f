from __future__ import annotations

from pathlib import Path

import pytest

from dreamcade.core.errors import BadInputError
from dreamcade.dataset.format import DatasetMeta
from dreamcade.dataset.pool import available_cores, write_parallel
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.writer import DatasetWriter
from dreamcade.games.recorder import PlaySource
from dreamcade.games.registry import make_game

NAME, TICKS = "gym:CarRacing-v3", 5


def racing_meta(width: int) -> DatasetMeta:
    game = make_game(NAME, (48, 32))
    return DatasetMeta(game.name, game.controls, (width, 32), game.tick_rate, game.licence, "tests")


def test_every_planned_episode_is_stored_and_counted(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path / "data", racing_meta(48))
    reports: list[tuple[int, int]] = []
    plan = writer.missing([0, 1, 2])
    write_parallel(writer, plan, PlaySource(NAME, (48, 32), TICKS), 2, lambda *counts: reports.append(counts))
    assert reports[-1] == (3 * TICKS, 3)
    assert [e.seed for e in Dataset.open(tmp_path / "data").episodes()] == [0, 1, 2]
    assert writer.missing([0, 1, 2]) == []


def test_an_error_in_a_worker_arrives_as_it_was_and_leaves_nothing(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path / "data", racing_meta(64))
    with pytest.raises(BadInputError, match=r"uint8 \[32, 64, 3\]"):
        write_parallel(writer, writer.missing([0]), PlaySource(NAME, (48, 32), TICKS), 1, lambda *_: None)
    assert not list((tmp_path / "data" / "episodes").iterdir())


def test_there_is_at_least_one_core() -> None:
    assert available_cores() >= 1
