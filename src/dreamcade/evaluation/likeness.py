"""What extrapolation costs the picture: the same play, frame by frame, with and without it, beside the real game."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.types import ActionVector, Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.engine.engine import Engine
from dreamcade.engine.session import Session
from dreamcade.evaluation.lpips import LPIPS, SMALLEST_SIDE
from dreamcade.evaluation.metrics import Progress, lpips_of_pixels, psnr
from dreamcade.evaluation.windows import Window

ALIKE = 48.0
"""dB: pictures that differ by a shade of eight bits. No more is counted, or those that are the same would decide."""
LOOKED = 8
"""Every so many ticks the feature distance is measured; it is slow."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """Means over windows and ticks. PSNR in dB, `distance` is LPIPS (None for frames too small for it); against the
    real game and against full inference (at most `ALIKE` a picture); `persistence` is the last real frame held still,
    against the real game."""

    psnr_real: float
    psnr_full: float
    distance_real: float | None
    distance_full: float | None
    extrapolated: float
    psnr_persistence: float


def compare_play(
    engine: Engine, dataset: Dataset, windows: Sequence[Window], ticks: int, *, seed: int = 0,
    progress: Progress | None = None,
) -> dict[bool, Likeness]:  # fmt: skip
    """Goes on from every window for `ticks` under its recorded actions, without extrapolation (False) and, where the
    world is calibrated, with it (True)."""
    progress = progress or (lambda what, done, total: None)
    network = LPIPS.load() if min(engine.world.frame_size) >= SMALLEST_SIDE else None
    scores: dict[bool, list[NDArray[np.float64]]] = {False: [], True: []}
    for at, window in enumerate(windows):
        begin = window.newest + 1
        real = dataset.frames(window.episode, begin, begin + ticks)
        still = dataset.frames(window.episode, begin - 1, begin)
        full, _ = _play(engine, dataset, window, ticks, seed + at, extrapolate=False)
        scores[False].append(_score(network, real, full, full, still, 0.0))
        if engine.limits is not None:
            frames, share = _play(engine, dataset, window, ticks, seed + at, extrapolate=True)
            scores[True].append(_score(network, real, full, frames, still, share))
        progress("comparing pictures", at + 1, len(windows))
    return {on: _mean(rows) for on, rows in scores.items() if rows}


def advance(engine: Engine, session: Session, action: ActionVector, extrapolate: bool) -> bool:
    """One tick as the game loop would take it; whether it was extrapolated."""
    calm = extrapolate and engine.calm(session, action)
    engine.commit([engine.extrapolate(session, action)] if calm else engine.propose([(session, action)]))
    return calm


def _play(
    engine: Engine, dataset: Dataset, window: Window, ticks: int, seed: int, extrapolate: bool
) -> tuple[Pixels, float]:
    frames, actions = window.context(dataset)
    session = engine.open_session(seed=seed, frames=frames, actions=actions)
    taken = dataset.actions(window.episode, window.newest, window.newest + ticks)
    shown, skipped = [], 0
    for action in engine.snap(taken):
        skipped += advance(engine, session, action, extrapolate)
        shown.append(session.frame.pixels)
    session.close()
    return np.stack(shown), skipped / ticks


def _score(
    network: LPIPS | None, real: Pixels, full: Pixels, frames: Pixels, still: Pixels, share: float
) -> NDArray[np.float64]:
    looked = slice(min(LOOKED, len(real)) - 1, None, LOOKED)
    distances = [np.nan, np.nan]
    if network is not None:
        mine = {"mine": frames[looked]}
        distances = [float(lpips_of_pixels(network, other[looked], mine)["mine"].mean()) for other in (real, full)]
    persistence = psnr(real, np.broadcast_to(still, real.shape)).mean()
    return np.array(
        [psnr(real, frames).mean(), np.minimum(psnr(full, frames), ALIKE).mean(), *distances, share, persistence]
    )


def _mean(rows: Sequence[NDArray[np.float64]]) -> Likeness:
    real, full, far_real, far_full, share, still = (float(value) for value in np.mean(rows, 0))
    known = not np.isnan(far_real)
    return Likeness(real, full, far_real if known else None, far_full if known else None, share, still)
