from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dreamcade.core.controls import Axis, Button, Controls
from dreamcade.core.errors import BadInputError, DatasetError
from dreamcade.core.types import Episode
from dreamcade.dataset import merge as merging
from dreamcade.dataset.format import DatasetMeta, Split
from dreamcade.dataset.merge import merge_datasets
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.writer import DatasetWriter

Make = Callable[..., Episode]
HUMAN = {"seed": 0, "ticks": 40, "policy": "human"}
DRIVER = {"seed": 0, "ticks": 40, "driver": "RampDriver"}


def make(path: Path, meta: DatasetMeta, make_episode: Make, splits: dict[int, Split], shift: int = 0) -> Dataset:
    """A dataset of episodes with these seeds; `shift` makes other plays of the same seeds."""
    writer = DatasetWriter(path, meta)
    for seed, split in splits.items():
        writer.write(replace(make_episode(seed + shift), seed=seed), split)
    return Dataset.open(path)


@pytest.fixture
def both(tmp_path: Path, meta: DatasetMeta, make_episode: Make) -> list[Dataset]:
    """A driver's play, and a person's under the same seeds, of which another is held out."""
    return [
        make(tmp_path / "driver", replace(meta, recording=DRIVER), make_episode, {0: "train", 1: "heldout"}),
        make(tmp_path / "mine", replace(meta, recording=HUMAN), make_episode, {0: "heldout", 1: "train"}, shift=5),
    ]


def test_every_episode_keeps_its_play_seed_and_split(tmp_path: Path, both: list[Dataset]) -> None:
    merge_datasets(both, tmp_path / "all")
    merged = Dataset.open(tmp_path / "all")
    assert not merged.damaged
    names = ["episode-000000000000", "episode-000000000000-2", "episode-000000000001", "episode-000000000001-2"]
    assert [e.name for e in merged.episodes()] == names
    assert [(e.seed, e.split) for e in merged.episodes()] == [
        (0, "train"),
        (0, "heldout"),
        (1, "heldout"),
        (1, "train"),
    ]
    sources = [(dataset, episode) for pair in zip(*(d.episodes() for d in both), strict=True)
               for dataset, episode in zip(both, pair, strict=True)]  # fmt: skip
    for episode, (dataset, source) in zip(merged.episodes(), sources, strict=True):
        np.testing.assert_array_equal(merged.frames(episode), dataset.frames(source))
        np.testing.assert_array_equal(merged.actions(episode), dataset.actions(source))
        np.testing.assert_array_equal(merged.column(episode, "style"), dataset.column(source, "style"))
    assert merged.meta.recording == {"seed": 0, "ticks": 40, "merged": "driver + mine"}  # none that could be replayed


def test_files_are_linked_or_else_copied(tmp_path: Path, both: list[Dataset], monkeypatch: pytest.MonkeyPatch) -> None:
    merge_datasets(both, tmp_path / "linked")
    video = Path("episodes", "episode-000000000001", "video.mp4")
    assert (tmp_path / "linked" / video).samefile(both[0].path / video)

    def elsewhere(*_: object) -> None:
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(os, "link", elsewhere)
    merge_datasets(both, tmp_path / "copied")
    assert not (tmp_path / "copied" / video).samefile(both[0].path / video)
    assert (tmp_path / "copied" / video).read_bytes() == (both[0].path / video).read_bytes()


def test_an_interrupted_merge_leaves_nothing(
    tmp_path: Path, both: list[Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(merging, "index_json", stopped)
    with pytest.raises(KeyboardInterrupt):
        merge_datasets(both, tmp_path / "all")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["driver", "mine"]


AXIS = (Axis("steer"),)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"game": "test:hill"}, "its game is test:hill, not test:ramp"),
        ({"tick_rate": 30.0}, "its tick rate is 30, not 25"),
        ({"controls": Controls(AXIS, (Button("fire"),))}, "its controls are steer -1…1, fire, not steer -1…1, jump"),
        ({"controls": Controls((Axis("steer", 0.0),), (Button("jump"),))}, "steer 0…1, jump, not steer -1…1, jump"),
        ({"frame_size": (64, 32)}, "its frame size is 64x32, not 48x32"),
    ],
)
def test_what_does_not_go_together_is_named(
    tmp_path: Path, both: list[Dataset], meta: DatasetMeta, change: dict[str, object], says: str
) -> None:
    DatasetWriter(tmp_path / "other", replace(meta, **change))  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match=says):
        merge_datasets([both[0], Dataset.open(tmp_path / "other")], tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_other_keys_are_no_obstacle(tmp_path: Path, both: list[Dataset], meta: DatasetMeta, make_episode: Make) -> None:
    keys = replace(meta, controls=Controls(AXIS, (Button("jump", ("KeyX",)),)))
    other = make(tmp_path / "other", keys, make_episode, {7: "train"})
    merge_datasets([both[0], other], tmp_path / "all")
    assert Dataset.open(tmp_path / "all").meta.controls == both[0].meta.controls


def test_the_same_play_comes_in_once(tmp_path: Path, both: list[Dataset]) -> None:
    merge_datasets(both, tmp_path / "all")
    assert len(merge_datasets([Dataset.open(tmp_path / "all"), both[1]], tmp_path / "again")) == 4


def test_a_play_that_is_held_out_in_one_place_only_is_refused(
    tmp_path: Path, both: list[Dataset], make_episode: Make
) -> None:
    longer = replace(both[0].meta, recording={**DRIVER, "ticks": 60})  # the same driver and seed, another length
    other = make(tmp_path / "other", longer, lambda seed: make_episode(seed, 60), {1: "train"})
    with pytest.raises(DatasetError, match=r"trained on in .*other and held out in .*driver, and is the same play"):
        merge_datasets([both[0], other], tmp_path / "all")


def test_bad_requests_are_clear_and_leave_nothing(tmp_path: Path, both: list[Dataset], meta: DatasetMeta) -> None:
    for wrong in (both[:1], [both[0], both[0]]):
        with pytest.raises(BadInputError, match="name two or more datasets, each once"):
            merge_datasets(wrong, tmp_path / "all")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text").write_text("years of work")
    with pytest.raises(BadInputError, match="is not empty; choose another folder with --out"):
        merge_datasets(both, tmp_path / "thesis")
    with pytest.raises(BadInputError, match="is not empty"):
        merge_datasets(both, both[0].path)
    for name in ("none", "neither"):
        DatasetWriter(tmp_path / name, meta)
    with pytest.raises(DatasetError, match="no whole episode"):
        merge_datasets([Dataset.open(tmp_path / name) for name in ("none", "neither")], tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_a_damaged_episode_stays_behind(tmp_path: Path, both: list[Dataset]) -> None:
    (both[0].path / "episodes" / "episode-000000000000" / "video.mp4").write_bytes(b"short")
    assert len(merge_datasets([Dataset.open(d.path) for d in both], tmp_path / "all")) == 3


def test_an_empty_folder_is_as_good_as_none(tmp_path: Path, both: list[Dataset]) -> None:
    (tmp_path / "all").mkdir()
    merge_datasets(both, tmp_path / "all")
    assert len(Dataset.open(tmp_path / "all").episodes()) == 4
