"""How well a reader reads: what it tells of held-out real play, before it is asked about a dream."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.reading.examples import draw_examples
from dreamcade.evaluation.reading.network import Reader

SAMPLES = 1500
TRUSTED = 0.5
"""What is told of a column, of 1, below which nothing is judged by it: a reader that always says the mean would find
any dream like its game."""


def told(reader: Reader, dataset: Dataset, seed: int, progress: Progress) -> dict[str, float]:
    """Per column what `reader` tells of it on held-out frames, 1 for all: numbers 1 − squared error over variance (R²),
    angles likewise by their directions, choices the share that is right."""
    config = reader.config
    size = config.width, config.height
    examples = draw_examples(dataset, "heldout", config.names, size, SAMPLES, seed, progress)
    read = reader.read_small(examples.frames).columns
    return {
        name: _told(read[name], true, name in config.angles, name in config.choices)
        for name, true in examples.columns.items()
    }


def _told(read: NDArray[np.float64], true: NDArray[np.float64], angle: bool, choice: bool) -> float:
    if choice:
        return float((read == true).mean())
    if angle:
        read, true = (np.exp(1j * values) for values in (read, true))
    error, spread = (np.square(np.abs(x)).mean() for x in (read - true, true - true.mean()))
    return float(1 - error / spread) if spread > 1e-12 else 1.0
