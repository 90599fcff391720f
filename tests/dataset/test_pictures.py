from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dreamcade.core.types import Episode, Pixels
from dreamcade.dataset import pictures
from dreamcade.dataset.format import DatasetMeta
from dreamcade.dataset.pictures import different_pictures
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.writer import DatasetWriter


def stored(path: Path, meta: DatasetMeta, *plays: Pixels) -> Dataset:
    writer = DatasetWriter(path / "data", meta)
    for seed, frames in enumerate(plays):
        writer.write(Episode(seed, frames, np.zeros((len(frames), 2), np.float32), {}), "train")
    return Dataset.open(path / "data")


def screens(*levels: int) -> Pixels:
    """Noisy grey frames of these brightnesses, ten each."""
    rng = np.random.default_rng(0)
    grey = np.repeat(np.array(levels), 10)[:, None, None, None]
    return (grey + rng.integers(-8, 9, (10 * len(levels), 32, 48, 3))).clip(0, 255).astype(np.uint8)


def test_a_play_that_stays_on_a_screen_shows_one_picture(tmp_path: Path, meta: DatasetMeta) -> None:
    dataset = stored(tmp_path, meta, screens(100, 100, 100))
    assert different_pictures(dataset) == {"looked_at": 30, "different": 1, "commonest": 1.0}


def test_every_screen_of_any_play_counts_once(tmp_path: Path, meta: DatasetMeta) -> None:
    dataset = stored(tmp_path, meta, screens(20, 100), screens(100, 100, 180))
    assert different_pictures(dataset) == {"looked_at": 50, "different": 3, "commonest": 0.6}


def test_it_looks_at_a_few_frames_from_everywhere(
    tmp_path: Path, meta: DatasetMeta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "LOOKED_AT", 6)
    dataset = stored(tmp_path, meta, screens(20, 100), screens(180))
    assert different_pictures(dataset) == {"looked_at": 6, "different": 3, "commonest": 0.3333}


def test_damaged_video_is_left_out_and_named(tmp_path: Path, meta: DatasetMeta) -> None:
    dataset = stored(tmp_path, meta, screens(20), screens(180))
    video = next((tmp_path / "data" / "episodes").glob("*1/video.mp4"))
    video.write_bytes(bytes(video.stat().st_size))
    assert different_pictures(dataset)["different"] == 1
    assert [name for name, _ in dataset.damaged] == ["episode-000000000001"]
