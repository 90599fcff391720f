from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dreamcade.core.errors import BadInputError, DatasetError
from dreamcade.core.types import Episode
from dreamcade.dataset.format import DatasetMeta, Split, read_index
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.video import VideoWriter
from dreamcade.dataset.writer import DatasetWriter, write_episode

Make = Callable[..., Episode]


def test_the_folder_is_as_documented(stored: Path) -> None:
    files = sorted(str(f.relative_to(stored)) for f in stored.rglob("*") if f.is_file())
    names = [f"episodes/episode-{seed:012d}" for seed in range(3)]
    expected = [f"{n}/{f}" for n in names for f in ("columns.parquet", "episode.json", "video.mp4")]
    assert files == ["dataset.json", *expected]


def test_an_existing_recording_is_taken_up(stored: Path, meta: DatasetMeta) -> None:
    writer = DatasetWriter(stored, meta)
    assert [e.seed for e in writer.episodes] == [0, 1, 2]
    assert [seed for seed, _ in writer.missing(range(5))] == [3, 4]
    assert read_index(stored)[1] == writer.episodes


def test_a_whole_episode_that_the_index_missed_is_kept(stored: Path, meta: DatasetMeta, make_episode: Make) -> None:
    DatasetWriter(stored, meta)
    episode = make_episode(3)

    class Row:
        def __init__(self, t: int) -> None:
            self.frame, self.action, self.columns = episode.frames[t], episode.actions[t], {"t": t}

    write_episode(stored, meta, 3, "train", (Row(t) for t in range(5)))  # the recorder dies before `add`
    assert [e.seed for e in DatasetWriter(stored, meta).episodes] == [0, 1, 2, 3]


def test_damaged_and_half_written_episodes_are_recorded_again(stored: Path, meta: DatasetMeta) -> None:
    (stored / "episodes" / "episode-000000000001" / "video.mp4").write_bytes(b"short")
    (stored / "episodes" / ".episode-000000000009.x.part").mkdir()
    (stored / ".dataset.json.x.part").touch()
    writer = DatasetWriter(stored, meta)
    assert [seed for seed, _ in writer.missing(range(3))] == [1]
    assert not list((stored / "episodes").glob(".*")) and not list(stored.glob(".*"))


def test_an_episode_that_was_damaged_keeps_its_split(tmp_path: Path, meta: DatasetMeta, make_episode: Make) -> None:
    splits: dict[int, Split] = {0: "heldout", 1: "train", 2: "train"}  # not what would be chosen now
    writer = DatasetWriter(tmp_path, meta)
    for seed, split in splits.items():
        video = tmp_path / "episodes" / writer.write(make_episode(seed), split).name / "video.mp4"
        video.write_bytes(b"short")
    assert dict(DatasetWriter(tmp_path, meta).missing(range(3))) == splits


def test_an_outdated_episode_is_planned_again_with_its_split(stored: Path, meta: DatasetMeta) -> None:
    assert DatasetWriter(stored, meta).missing(range(3), {2}) == [(2, "heldout")]


def test_a_removed_episode_leaves_index_and_disk(stored: Path, meta: DatasetMeta) -> None:
    writer = DatasetWriter(stored, meta)
    writer.remove(writer.episodes[1])
    assert [e.seed for e in read_index(stored)[1]] == [0, 2]
    assert sorted(f.name for f in (stored / "episodes").iterdir()) == ["episode-000000000000", "episode-000000000002"]


def test_another_recording_is_refused(stored: Path, meta: DatasetMeta, other_meta: DatasetMeta) -> None:
    before = (stored / "dataset.json").read_bytes()
    with pytest.raises(DatasetError, match=r"another recording \(seed is 0 there, 1 here\)"):
        DatasetWriter(stored, other_meta)
    with pytest.raises(DatasetError, match="frame_size"):
        DatasetWriter(stored, replace(meta, frame_size=(64, 48)))
    assert (stored / "dataset.json").read_bytes() == before


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path, meta: DatasetMeta) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DatasetError, match="not empty"):
        DatasetWriter(tmp_path, meta)
    with pytest.raises(DatasetError, match=r"thesis\.txt is a file, a dataset a folder"):
        DatasetWriter(tmp_path / "thesis.txt", meta)
    assert [f.name for f in tmp_path.iterdir()] == ["thesis.txt"]
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_only_an_empty_recording_is_dropped(stored: Path, tmp_path: Path, meta: DatasetMeta) -> None:
    DatasetWriter(tmp_path / "empty", meta).drop_if_empty()
    assert not (tmp_path / "empty").exists()
    before = len(DatasetWriter(stored, meta).episodes)
    DatasetWriter(stored, meta).drop_if_empty()
    assert len(DatasetWriter(stored, meta).episodes) == before


def test_frames_and_actions_that_do_not_fit_leave_nothing(
    tmp_path: Path, meta: DatasetMeta, make_episode: Make
) -> None:
    writer = DatasetWriter(tmp_path / "data", meta)
    good = make_episode(0)
    bad = [
        replace(good, frames=good.frames[:, :-2]),
        replace(good, frames=good.frames.astype(np.float32)),
        replace(good, actions=np.full_like(good.actions, np.nan)),
        replace(good, actions=good.actions[:, :1]),
        replace(good, frames=good.frames[:0], actions=good.actions[:0]),
    ]
    for episode in bad:
        with pytest.raises(BadInputError):
            writer.write(episode, "train")
    assert not list((tmp_path / "data" / "episodes").iterdir())
    assert Dataset.open(tmp_path / "data").episodes() == []


def test_a_full_disk_is_one_clear_error(
    stored: Path, meta: DatasetMeta, make_episode: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(VideoWriter, "append", full)
    with pytest.raises(BadInputError, match="disk is full"):
        DatasetWriter(stored, meta).write(make_episode(5), "train")
    assert len(list((stored / "episodes").iterdir())) == 3
