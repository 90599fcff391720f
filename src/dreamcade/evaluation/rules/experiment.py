"""One experiment: from the same moments, the same script is played in the dream and in the real game, and read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.errors import DatasetError
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.evaluation.axis import Axis
from dreamcade.evaluation.candidate import Candidate
from dreamcade.evaluation.reading import FRAMES, shrink
from dreamcade.evaluation.rules.setting import Setting
from dreamcade.evaluation.windows import Window

Look = Callable[[Sequence[Pixels]], NDArray[np.bool_]]


@dataclass(slots=True)
class Outcome:
    """What was read: per column `[W, T]`, T ticks from the first after the script began on; `last` the final frames;
    `looked` what was seen in each frame besides, `[W, T]`, where something was looked for."""

    columns: dict[str, NDArray[np.float64]]
    first: list[Pixels]
    last: list[Pixels]
    looked: list[list[float]] = field(default_factory=list)


def run_script(
    candidate: Candidate, windows: Sequence[Window], script: Sequence[ActionVector], setting: Setting, what: str,
    look: Look | None = None,
) -> Outcome:  # fmt: skip
    """Plays the `script` from the end of each window's context and reads the state at every tick of it.

    The first `FRAMES` − 1 readings look back into the context. `look` tells more about the frames of one tick.
    """
    reader, dataset = setting.reader, setting.dataset
    read: list[dict[str, NDArray[np.float64]]] = []
    outcome = Outcome({}, [], [])
    size = reader.config.width, reader.config.height
    for at in range(0, len(windows), candidate.batch):
        group = windows[at : at + candidate.batch]
        plays = candidate.begin(group, setting.seed + at)
        begun = candidate.show(plays)
        small = [list(shrink(window.context(dataset)[0][1 - FRAMES :], *size)) for window in group]
        looked: list[list[float]] = [[] for _ in group]
        newest = begun
        for action in script:
            candidate.advance(plays, [action] * len(plays))
            newest = candidate.show(plays)
            for kept, frame in zip(small, newest, strict=True):
                kept.append(shrink(frame[None], *size)[0])
            if look is not None:
                for seen, value in zip(looked, look(newest), strict=True):
                    seen.append(float(value))
        candidate.finish(plays)
        outcome.looked += looked
        outcome.first += begun
        outcome.last += newest
        for kept in small:
            runs = np.lib.stride_tricks.sliding_window_view(np.stack(kept), FRAMES, 0).transpose(0, 4, 1, 2, 3)
            read.append(reader.read_small(np.ascontiguousarray(runs)).columns)
        setting.progress(what, len(read), len(windows))
    outcome.columns = {name: np.stack([r[name] for r in read]) for name in read[0]} if read else {}
    return outcome


def ratio(dream: float | None, real: float | None) -> float | None:
    """Dream over game; None where either is missing or the game's is nearly nothing."""
    return dream / real if dream is not None and real is not None and abs(real) > 1e-6 else None


def experiment(axis: Axis, setting: Setting, *steps: Callable[[Axis, Setting], None]) -> None:
    """Makes experiments that add to `axis`; one that finds no moment to begin at is noted, and the others stand."""
    for step in steps:
        try:
            step(axis, setting)
        except DatasetError as error:
            axis.notes.append(f"{step.__name__.strip('_').replace('_', ' ')} not measured: {error}")
