"""Frames held in memory for codec training: whole recordings are too large, single random reads too slow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from dreamcade.core.types import Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.training.picture_store import PictureEpisode

BURST = 2
"""Neighbouring frames read at a time; seeking costs more than decoding a second frame."""


def draw_frames(dataset: Dataset, split: str, count: int, seed: int) -> Pixels:
    """About `count` frames spread evenly over the episodes of a split, uint8 `[N, H, W, 3]`."""
    episodes = dataset.episodes(split)  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    each = max(1, count // (len(episodes) * BURST))
    width, height = dataset.meta.frame_size
    bursts = np.empty((len(episodes) * each, BURST, height, width, 3), np.uint8)
    rows = iter(bursts)
    for episode in track(episodes, description=f"reading {split} frames"):
        for start in sorted(rng.integers(0, episode.length - BURST + 1, each).tolist()):
            next(rows)[:] = dataset.frames(episode, start, start + BURST)
    return bursts.reshape(-1, height, width, 3)


def as_pictures(frames: Pixels) -> list[PictureEpisode]:
    """Frames that are not reduced, as the small pictures that a codec learns from."""
    return [PictureEpisode("pool", frames, np.zeros((len(frames), 0), np.float32))]


def draw_corners(count: int, shape: Sequence[int], size: int, step: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Upper left corners (row, column) `[count, 2]` of crops of `size` in pictures of `shape`, multiples of `step`."""
    return np.stack([rng.integers(0, (side - size) // step + 1, count) * step for side in shape], 1)


def crop(pictures: Tensor, corners: NDArray[np.int64], size: int) -> Tensor:
    """A square of `size` from each of the pictures `[N, 3, h, w]`."""
    cut = [p[:, top : top + size, left : left + size] for p, (top, left) in zip(pictures, corners, strict=True)]
    return torch.stack(cut)
