from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamcade.core.errors import BadInputError, DatasetError, UnknownNameError
from dreamcade.core.types import Episode
from dreamcade.dataset.format import DatasetMeta
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.writer import DatasetWriter

Make = Callable[..., Episode]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), length=st.integers(1, 50))
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, meta: DatasetMeta, make_episode: Make, seed: int, length: int
) -> None:
    path = tmp_path_factory.mktemp("trip") / "data"
    original = make_episode(seed, length)
    info = DatasetWriter(path, meta).write(original, "train")
    dataset = Dataset.open(path)
    assert dataset.meta == meta
    assert dataset.episodes() == [info]
    assert not dataset.damaged
    back = dataset.load(info)
    assert back.seed == seed
    assert back.frames.shape == original.frames.shape
    assert np.abs(back.frames.astype(int) - original.frames).mean() < 2
    np.testing.assert_array_equal(back.actions, original.actions)
    assert set(back.columns) == set(original.columns)
    for name, values in original.columns.items():
        np.testing.assert_array_equal(back.columns[name], values)


def test_splits_and_windows(stored: Path, make_episode: Make) -> None:
    dataset = Dataset.open(stored)
    assert [e.seed for e in dataset.episodes("train")] == [0, 1]
    assert [e.seed for e in dataset.episodes("heldout")] == [2]
    episode = dataset.episodes()[1]
    assert dataset.frames(episode, 5, 9).shape == (4, 32, 48, 3)
    np.testing.assert_array_equal(dataset.frames(episode, 5, 9), dataset.frames(episode)[5:9])
    np.testing.assert_array_equal(dataset.actions(episode, 5, 9), make_episode(1).actions[5:9])
    assert dataset.actions(episode).dtype == np.float32
    assert dataset.frames(episode, 40).shape == (0, 32, 48, 3)


@pytest.mark.parametrize("window", [(-1, 5), (5, 4), (0, 41), (41, None)])
def test_windows_outside_are_refused(stored: Path, window: tuple[int, int | None]) -> None:
    dataset = Dataset.open(stored)
    with pytest.raises(BadInputError, match="frames 0 to 40"):
        dataset.frames(dataset.episodes()[0], *window)


def test_unknown_names_suggest_the_nearest(stored: Path) -> None:
    dataset = Dataset.open(stored)
    with pytest.raises(UnknownNameError, match="did you mean 'speed'"):
        dataset.column(dataset.episodes()[0], "sped")
    with pytest.raises(UnknownNameError, match="heldout"):
        dataset.episodes("held-out")  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", ["missing", "short", "entry"])
def test_a_damaged_episode_is_named_and_skipped(stored: Path, damage: str) -> None:
    folder = stored / "episodes" / "episode-000000000001"
    if damage == "missing":
        (folder / "video.mp4").unlink()
    elif damage == "short":
        (folder / "columns.parquet").write_bytes((folder / "columns.parquet").read_bytes()[:-9])
    else:
        (folder / "episode.json").write_text("{")
    dataset = Dataset.open(stored)
    assert [e.seed for e in dataset.episodes()] == [0, 2]
    assert [name for name, _ in dataset.damaged] == ["episode-000000000001"]


@pytest.mark.parametrize("file", ["video.mp4", "columns.parquet"])
def test_damage_inside_a_file_is_found_on_reading(stored: Path, file: str) -> None:
    path = stored / "episodes" / "episode-000000000000" / file
    path.write_bytes(bytes(len(path.read_bytes())))
    dataset = Dataset.open(stored)
    episode = dataset.episodes()[0]
    for _ in range(2):
        with pytest.raises(DatasetError, match="episode-000000000000"):
            dataset.frames(episode) if file == "video.mp4" else dataset.actions(episode)
    assert [name for name, _ in dataset.damaged] == [episode.name]
    assert [e.seed for e in dataset.episodes()] == [1, 2]


def test_threads_and_processes_may_share_it(stored: Path) -> None:
    dataset = Dataset.open(stored)
    whole = {e.name: dataset.frames(e) for e in dataset.episodes()}
    copy = pickle.loads(pickle.dumps(dataset))
    jobs = [(e, start) for start in range(30) for e in dataset.episodes()]

    def matches(job: tuple[object, int]) -> bool:
        episode, start = job
        return np.array_equal(copy.frames(episode, start, start + 8), whole[episode.name][start : start + 8])  # type: ignore[attr-defined]

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(matches, jobs))


def test_closing_only_closes_the_files(stored: Path) -> None:
    dataset = Dataset.open(stored)
    before = dataset.frames(dataset.episodes()[0], 3, 5)
    dataset.close()
    np.testing.assert_array_equal(dataset.frames(dataset.episodes()[0], 3, 5), before)
