"""Small pictures: reduced once, taken up where it stopped, never mixed up."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from dreamcade.codec import CodecConfig
from dreamcade.core.errors import DatasetError
from dreamcade.dataset.reader import Dataset
from dreamcade.training.frame_pool import as_pictures
from dreamcade.training.picture_store import colours, draw_pictures, open_pictures, store_pictures

CONFIG = CodecConfig(64, 96, fold=2, gather=2)


def test_pictures_are_averages_of_frames(sliding_data: Dataset, tmp_path: Path) -> None:
    store_pictures(sliding_data, CONFIG, tmp_path / "pictures")
    train, heldout = (
        open_pictures(sliding_data, CONFIG, tmp_path / "pictures", split) for split in ("train", "heldout")
    )
    assert [len(e) for e in train] == [20, 20] and len(heldout) == 1
    info = sliding_data.episodes("train")[1]
    frames = sliding_data.frames(info, 0, 20).astype(float)
    expected = frames.reshape(20, 16, 4, 24, 4, 3).mean((2, 4))
    assert train[1].pictures.shape == (20, 16, 24, 3)
    assert np.abs(train[1].pictures - expected).max() <= 0.5
    assert np.array_equal(train[1].actions, sliding_data.actions(info))


def test_frames_that_are_not_reduced_are_read_from_their_videos(sliding_data: Dataset, tmp_path: Path) -> None:
    whole = dataclasses.replace(CONFIG, reduction=1)
    store_pictures(sliding_data, whole, tmp_path / "pictures")
    assert [p.name for p in (tmp_path / "pictures").iterdir()] == ["pictures.json"]
    episodes = open_pictures(sliding_data, whole, tmp_path / "pictures", "train")
    info = sliding_data.episodes("train")[1]
    assert len(episodes[1]) == 20
    assert np.array_equal(episodes[1].pictures[15:99], sliding_data.frames(info, 15, 20))
    assert np.array_equal(episodes[1].actions, sliding_data.actions(info))
    [pool] = as_pictures(sliding_data.frames(info, 0, 20))
    assert draw_pictures([pool], 5, np.random.default_rng(0)).shape == (5, 3, 64, 96)


def test_an_interrupted_store_is_taken_up(sliding_data: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    store_pictures(sliding_data, CONFIG, folder)
    kept, lost = sorted(folder.glob("*.npy"))[:2]
    made, whole = kept.stat().st_mtime_ns, lost.read_bytes()
    lost.unlink()
    store_pictures(sliding_data, CONFIG, folder)
    assert kept.stat().st_mtime_ns == made and lost.read_bytes() == whole


def test_pictures_of_another_size_are_not_mixed(sliding_data: Dataset, tmp_path: Path) -> None:
    store_pictures(sliding_data, CONFIG, tmp_path)
    with pytest.raises(DatasetError, match=r"another size.*delete that folder"):
        store_pictures(sliding_data, dataclasses.replace(CONFIG, reduction=8), tmp_path)


def test_damaged_stores_are_named(sliding_data: Dataset, tmp_path: Path) -> None:
    store_pictures(sliding_data, CONFIG, tmp_path)
    stored = sorted(tmp_path.glob("*.npy"))[0]
    np.save(stored, np.load(stored)[:7])
    with pytest.raises(DatasetError, match=f"{stored.name} has 7 pictures for 20 frames; delete it"):
        open_pictures(sliding_data, CONFIG, tmp_path, "train")
    (tmp_path / "pictures.json").write_text('{"frame_')
    with pytest.raises(DatasetError, match="damaged; delete that folder"):
        store_pictures(sliding_data, CONFIG, tmp_path)


def test_drawing(sliding_data: Dataset, tmp_path: Path) -> None:
    store_pictures(sliding_data, CONFIG, tmp_path)
    episodes = open_pictures(sliding_data, CONFIG, tmp_path, "train")
    drawn = draw_pictures(episodes, 40, np.random.default_rng(0))
    assert drawn.shape == (40, 3, 16, 24) and drawn.min() >= -1 and drawn.max() <= 1
    everything = colours(np.concatenate([e.pictures for e in episodes]))
    from_where = [(everything == picture).all(-1).all(-1).all(-1).nonzero()[0, 0] for picture in drawn]
    indices = torch.stack(from_where)
    assert (indices < 20).any() and (indices >= 20).any() and len(indices.unique()) > 15
