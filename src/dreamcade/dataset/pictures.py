"""How many different pictures a recording shows, roughly: a driver that never left the first screen shows few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dreamcade.core.errors import DatasetError
from dreamcade.dataset.format import EpisodeInfo
from dreamcade.dataset.reader import Dataset

LOOKED_AT = 240
"""Frames, from all over a dataset."""
CELLS, ALIKE = 8, 16
"""Two pictures are alike where none of so many cells each way differs by more than this, of 255, in any colour."""


def different_pictures(dataset: Dataset) -> dict[str, float]:
    """`looked_at` frames, how many `different` pictures are among them, and the share of the `commonest`.

    A coarse figure: what is small, such as a ball, makes no other picture. Reads a little video from everywhere; where
    that is damaged, the episode joins the dataset's `damaged`. Empty where no frame can be read.
    """
    known: list[NDArray[np.int16]] = []
    counts: list[int] = []
    for episode, tick in _sample(dataset.episodes()):
        try:
            picture = _mosaic(dataset.frames(episode, tick, tick + 1)[0])
        except DatasetError:
            continue
        alike = next((i for i, other in enumerate(known) if np.abs(other - picture).max() <= ALIKE), None)
        if alike is None:
            known.append(picture)
            counts.append(1)
        else:
            counts[alike] += 1
    if not counts:
        return {}
    looked_at = sum(counts)
    return {"looked_at": looked_at, "different": len(counts), "commonest": round(max(counts) / looked_at, 4)}


def _sample(episodes: list[EpisodeInfo]) -> list[tuple[EpisodeInfo, int]]:
    """Ticks evenly over all of them, in order."""
    ticks = [(episode, tick) for episode in episodes for tick in range(episode.length)]
    count = min(LOOKED_AT, len(ticks))
    return [ticks[(2 * i + 1) * len(ticks) // (2 * count)] for i in range(count)]


def _mosaic(frame: NDArray[np.uint8]) -> NDArray[np.int16]:
    """The mean colour of each cell, `[CELLS, CELLS, 3]`."""
    return np.asarray(Image.fromarray(frame).resize((CELLS, CELLS), Image.Resampling.BOX)).astype(np.int16)
