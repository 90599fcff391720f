"""One experiment: from the same moments, the same script is played in the dream and in the real game, and read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.types import ActionVector, Pixels
from dreamcade.evaluation.candidate import Candidate
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.reading import FRAMES, Reader, shrink
from dreamcade.evaluation.windows import Window


@dataclass(slots=True)
class Outcome:
    """What was read: per column `[W, T]`, T ticks from the first after the script began on; `last` the final frames."""

    columns: dict[str, NDArray[np.float64]]
    first: list[Pixels]
    last: list[Pixels]


def run_script(
    candidate: Candidate, windows: Sequence[Window], script: Sequence[ActionVector], reader: Reader, *, seed: int,
    what: str, progress: Progress,
) -> Outcome:  # fmt: skip
    """Plays the `script` from the end of each window's context and reads the state at every tick of it.

    The first `FRAMES` − 1 readings look back into the context.
    """
    read: list[dict[str, NDArray[np.float64]]] = []
    outcome = Outcome({}, [], [])
    size = reader.config.width, reader.config.height
    for at in range(0, len(windows), candidate.batch):
        group = windows[at : at + candidate.batch]
        plays = candidate.begin(group, seed + at)
        begun = candidate.show(plays)
        small = [[shrink(frame[None], *size)[0]] * (FRAMES - 1) for frame in begun]
        newest = begun
        for action in script:
            candidate.advance(plays, [action] * len(plays))
            newest = candidate.show(plays)
            for kept, frame in zip(small, newest, strict=True):
                kept.append(shrink(frame[None], *size)[0])
        candidate.finish(plays)
        outcome.first += begun
        outcome.last += newest
        for kept in small:
            runs = np.lib.stride_tricks.sliding_window_view(np.stack(kept), FRAMES, 0).transpose(0, 4, 1, 2, 3)
            read.append(reader.read_small(np.ascontiguousarray(runs)).columns)
        progress(what, len(read), len(windows))
    outcome.columns = {name: np.stack([r[name] for r in read]) for name in read[0]} if read else {}
    return outcome


def ratio(dream: float | None, real: float | None) -> float | None:
    """Dream over game; None where either is missing or the game's is nearly nothing."""
    return dream / real if dream is not None and real is not None and abs(real) > 1e-6 else None
