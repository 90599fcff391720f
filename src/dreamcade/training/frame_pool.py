"""Frames held in memory for codec training: whole recordings are too large, single random reads too slow."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from dreamcade.core.types import Pixels
from dreamcade.dataset.reader import Dataset

BURST = 2
"""Neighbouring frames read at a time; seeking costs more than decoding a second frame."""


def draw_frames(dataset: Dataset, split: str, count: int, seed: int) -> Pixels:
    """About `count` frames spread evenly over the episodes of a split, uint8 `[N, H, W, 3]`."""
    episodes = dataset.episodes(split)  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    each = max(1, count // (len(episodes) * BURST))
    bursts = []
    for episode in track(episodes, description=f"reading {split} frames"):
        starts = sorted(rng.integers(0, episode.length - BURST, each).tolist())
        bursts += [dataset.frames(episode, start, start + BURST) for start in starts]
    return np.concatenate(bursts)


def draw_crops(frames: Pixels, count: int, size: int, step: int, rng: np.random.Generator) -> Tensor:
    """Random square crops aligned to `step` pixels, float `[count, 3, size, size]` in [−1, 1]."""
    _, height, width, _ = frames.shape
    crops: list[NDArray[np.uint8]] = []
    for index in rng.integers(0, len(frames), count):
        top = int(rng.integers(0, (height - size) // step + 1)) * step
        left = int(rng.integers(0, (width - size) // step + 1)) * step
        crops.append(frames[index, top : top + size, left : left + size])
    return to_model(np.stack(crops))


def to_model(frames: Pixels) -> Tensor:
    """uint8 `[N, H, W, 3]` → float `[N, 3, H, W]` in [−1, 1]."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
