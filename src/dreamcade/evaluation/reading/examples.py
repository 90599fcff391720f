"""Real play as the reader learns it: small frames in runs, classes of the controls, columns of the state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.controls import Controls
from dreamcade.core.errors import DatasetError
from dreamcade.core.types import Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.reading.network import ACTED, FRAMES, shrink

LONGEST_SIDE = 96
REST = 0.1
"""An axis nearer to its rest than this counts as at rest."""


def classes_of(actions: NDArray[np.float32], controls: Controls) -> NDArray[np.int64]:
    """Actions `[N, A]` → classes: an axis is 0 below rest, 1 at rest, 2 above; a button 0 or 1."""
    count = len(controls.axes)
    axes = np.where(actions[:, :count] < -REST, 0, np.where(actions[:, :count] > REST, 2, 1))
    return np.concatenate([axes, actions[:, count:] >= 0.5], 1).astype(np.int64)


def balanced_accuracy(named: NDArray[np.int64], true: NDArray[np.int64]) -> list[float | None]:
    """Per control, the mean over the classes that occur of the share that is named right; None for one never used."""
    found: list[float | None] = []
    for said, was in zip(named.T, true.T, strict=True):
        classes = [c for c in np.unique(was) if (was == c).sum() >= 5]
        shares = [float((said[was == c] == c).mean()) for c in classes]
        found.append(float(np.mean(shares)) if len(shares) > 1 else None)
    return found


@dataclass(slots=True)
class Examples:
    """Runs of small frames uint8 `[N, FRAMES, h, w, 3]`, classes `[N, A]`, and columns `[N]`."""

    frames: Pixels
    classes: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]


def draw_examples(
    dataset: Dataset, split: str, names: Sequence[str], size: tuple[int, int], count: int, seed: int, progress: Progress
) -> Examples:
    """About `count` runs from all over a split; whole stretches are read, for seeking costs more than reading on."""
    episodes = [e for e in dataset.episodes(split) if e.length > 4 * FRAMES]  # type: ignore[arg-type]
    if not episodes:
        raise DatasetError(f"{dataset.path} has no {split} episode of more than {4 * FRAMES} ticks; record longer ones")
    rng = np.random.default_rng(seed)
    stretch = 64
    pieces = max(1, -(-count // stretch))
    frames, classes, columns = [], [], {name: list[NDArray[Any]]() for name in names}
    for piece in range(pieces):
        episode = episodes[int(rng.integers(len(episodes)))]
        length = min(stretch + FRAMES - 1, episode.length)
        start = int(rng.integers(0, episode.length - length + 1))
        small = shrink(dataset.frames(episode, start, start + length), *size)
        runs = np.lib.stride_tricks.sliding_window_view(small, FRAMES, 0).transpose(0, 4, 1, 2, 3)
        frames.append(np.ascontiguousarray(runs))
        first = start + ACTED
        classes.append(classes_of(dataset.actions(episode, first, first + len(runs)), dataset.meta.controls))
        for name in names:
            values = dataset.column(episode, name)[start + FRAMES - 1 : start + FRAMES - 1 + len(runs)]
            columns[name].append(values.astype(np.float64))
        if piece % 8 == 0:
            progress(f"reading {split} play", piece, pieces)
    return Examples(np.concatenate(frames), np.concatenate(classes), {n: np.concatenate(v) for n, v in columns.items()})


def reader_size(frame_size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the small pictures: the longest side `LONGEST_SIDE`, both multiples of 16."""
    width, height = frame_size
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    return max(16, round(width * scale / 16) * 16), max(16, round(height * scale / 16) * 16)
