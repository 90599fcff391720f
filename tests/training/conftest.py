"""A small recording of a square that slides over a pattern that slides the other way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dreamcade.core.controls import Axis, Controls
from dreamcade.core.types import Episode
from dreamcade.dataset.format import DatasetMeta
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.writer import DatasetWriter


@pytest.fixture
def sliding_data(tmp_path: Path) -> Dataset:
    """Three episodes of 20 frames, 96×64; the last is held out."""
    meta = DatasetMeta("toy:square", Controls(axes=(Axis("steer"),)), (96, 64), 25.0, "CC0-1.0", "a test")
    writer = DatasetWriter(tmp_path / "data", meta)
    pattern = np.random.default_rng(9).integers(40, 200, (4, 12, 3)).astype(np.uint8).repeat(16, 0).repeat(16, 1)
    for seed in range(3):
        frames = np.empty((20, 64, 96, 3), np.uint8)
        for t, frame in enumerate(frames):
            frame[:] = pattern[:, 5 * t : 5 * t + 96]
            frame[20:36, 3 * t : 3 * t + 16] = (220, 40 + 40 * seed, 40)
        actions = np.random.default_rng(seed).uniform(-1, 1, (20, 1)).astype(np.float32)
        writer.write(Episode(seed, frames, actions, {}), "heldout" if seed == 2 else "train")
    return Dataset.open(tmp_path / "data")
