from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamcade.core.errors import DatasetError
from dreamcade.core.types import Episode, Pixels
from dreamcade.dataset.video import GROUP, VideoReader, VideoWriter

LENGTH = 3 * GROUP + 5


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory, make_episode: Callable[..., Episode]) -> Path:
    path = tmp_path_factory.mktemp("video") / "video.mp4"
    with VideoWriter(path, (48, 32), 25.0) as writer:
        for frame in make_episode(1, LENGTH).frames:
            writer.append(frame)
    return path


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b).mean()))


def test_it_is_visually_lossless(video: Path, make_episode: Callable[..., Episode]) -> None:
    frames = VideoReader(video).read(0, LENGTH)
    assert frames.dtype == np.uint8
    assert frames.shape == (LENGTH, 32, 48, 3)
    assert min(psnr(a, b) for a, b in zip(frames, make_episode(1, LENGTH).frames, strict=True)) > 40


@pytest.fixture(scope="module")
def whole(video: Path) -> Pixels:
    return VideoReader(video).read(0, LENGTH)


WINDOWS = st.tuples(st.integers(0, LENGTH), st.integers(0, 12)).map(lambda w: (w[0], min(LENGTH, sum(w))))


@settings(max_examples=25, deadline=None)
@given(windows=st.lists(WINDOWS, min_size=1, max_size=4))
def test_any_window_in_any_order_equals_reading_through(
    video: Path, whole: Pixels, windows: list[tuple[int, int]]
) -> None:
    reader = VideoReader(video)
    for start, stop in windows:
        np.testing.assert_array_equal(reader.read(start, stop), whole[start:stop])
    reader.close()


def test_the_same_frames_make_the_same_bytes(tmp_path: Path, video: Path, make_episode: Callable[..., Episode]) -> None:
    with VideoWriter(tmp_path / "again.mp4", (48, 32), 25.0) as writer:
        for frame in make_episode(1, LENGTH).frames:
            writer.append(frame)
    assert (tmp_path / "again.mp4").read_bytes() == video.read_bytes()


def test_damage_names_the_file(tmp_path: Path, video: Path) -> None:
    content = video.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match=r"cut\.mp4"):
        VideoReader(tmp_path / "cut.mp4").read(0, LENGTH)
    with pytest.raises(DatasetError, match=r"damaged between frames 50 and"):
        VideoReader(video).read(50, LENGTH + 1)
