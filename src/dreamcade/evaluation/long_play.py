"""The axis `long play`: thousands of frames under recorded actions, watched for drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.types import Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation import plots
from dreamcade.evaluation.axis import Axis, at_most, between, number
from dreamcade.evaluation.candidate import Candidate
from dreamcade.evaluation.features import EfficientNetLite
from dreamcade.evaluation.frechet import FEWEST, Ruler
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.strips import contact_sheet
from dreamcade.evaluation.subjects import Targets
from dreamcade.evaluation.windows import CONTEXT, Window

WATCHED_EVERY = 20
"""One frame in so many is drawn and looked at."""
STRETCHES = 5
PAIRS = 6
STILLS = 6
LOOKS = ("brightness", "contrast", "sharpness", "colourfulness")
LIMITS: dict[str, float | None] = {"brightness": None, "contrast": None, "sharpness": 0.5}
"""Looks that are judged, and how far off they may be, as a share; None: as the world's targets say."""


@dataclass(slots=True)
class LongPlay:
    """`looks` `[N, 4]` (see `looks`) and the pictures of the frames watched, dreamed and real; `changes`: mean absolute
    difference (0…255) of frames `WATCHED_EVERY` ticks apart."""

    looks: NDArray[np.float64]
    real_looks: NDArray[np.float64]
    pictures: Pixels
    real_pictures: Pixels
    changes: NDArray[np.float64]
    real_changes: NDArray[np.float64]


def looks(picture: Pixels) -> NDArray[np.float64]:
    """Brightness (mean luminance, 0…255), contrast (its deviation), sharpness (mean size of its Laplacian) and
    colourfulness (mean distance of a colour from grey) of a picture uint8 `[H, W, 3]` → `[4]`."""
    colours = picture.astype(np.float32)
    grey = colours @ np.array([0.299, 0.587, 0.114], np.float32)
    laplacian = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    away = np.abs(colours - grey[..., None]).mean()
    return np.array([grey.mean(), grey.std(), np.abs(laplacian).mean(), away], np.float64)


def play_long(candidate: Candidate, dataset: Dataset, frames: int, seed: int, progress: Progress) -> LongPlay:
    """One play of so many frames from a held-out beginning, under the actions of the held-out episodes one after the
    other; the real pictures are those episodes' own."""
    episodes = dataset.episodes("heldout")
    actions = np.concatenate([dataset.actions(e, CONTEXT - 1) for e in episodes])
    [play] = candidate.begin([Window(episodes[0], 0)], seed)
    kept = []
    for tick in range(frames):
        candidate.advance([play], [actions[tick % len(actions)]])
        if tick % WATCHED_EVERY == WATCHED_EVERY - 1:
            kept.append(candidate.show([play])[0])
            progress("long play", tick + 1, frames)
    candidate.finish([play])
    total = sum(e.length for e in episodes)
    wanted = min(len(kept), total // 4)
    real = []
    for episode in episodes:
        ticks = np.linspace(0, episode.length - 1, max(2, round(wanted * episode.length / total))).astype(int)
        real += [dataset.frames(episode, int(t), int(t) + 1)[0] for t in ticks]
    pictures, real_pictures = np.stack(kept), np.stack(real)
    return LongPlay(
        np.stack([looks(p) for p in pictures]), np.stack([looks(p) for p in real_pictures]), pictures, real_pictures,
        _changes(kept[:-1], kept[1:]), _real_changes(dataset),
    )  # fmt: skip


def _changes(before: Sequence[Pixels], after: Sequence[Pixels]) -> NDArray[np.float64]:
    return np.array([np.abs(b.astype(np.int16) - a).mean() for a, b in zip(before, after, strict=True)], np.float64)


def _real_changes(dataset: Dataset) -> NDArray[np.float64]:
    """The same of held-out play, at `PAIRS` moments of each episode."""
    before, after = [], []
    for episode in dataset.episodes("heldout"):
        last = episode.length - WATCHED_EVERY - 1
        for tick in np.linspace(0, last, PAIRS).astype(int) if last >= 0 else ():
            before.append(dataset.frames(episode, int(tick), int(tick) + 1)[0])
            after.append(dataset.frames(episode, int(tick) + WATCHED_EVERY, int(tick) + WATCHED_EVERY + 1)[0])
    return _changes(before, after)


def long_play_axis(played: LongPlay, targets: Targets, tick_rate: float) -> Axis:
    """Figures `drift_brightness`, … (change of the last fifth against real play, as a share) and `frechet_first`,
    `frechet_last`, `frechet_last_over_first`."""
    frames = len(played.looks) * WATCHED_EVERY
    axis = Axis(
        "long_play",
        "Long play",
        f"{frames} frames ({frames / tick_rate / 60:.0f} minutes) without a stop, under the actions of held-out "
        "episodes one after the other. A dream that melts, bleaches or freezes drifts away from the game.",
        columns=("", "first fifth", "last fifth", "real play"),
    )
    stretches = np.array_split(np.arange(len(played.looks)), min(STRETCHES, len(played.looks)))
    enough = len(played.looks) >= 4 * FEWEST
    for i, name in enumerate(LOOKS):
        first, last = (float(played.looks[stretches[s], i].mean()) for s in (0, -1))
        real = float(played.real_looks[:, i].mean())
        drift = abs(last - real) / max(real, 1e-6)
        axis.figures |= {f"{name}_first": first, f"{name}_last": last, f"{name}_real": real, f"drift_{name}": drift}
        axis.rows.append((name.capitalize(), number(first), number(last), number(real)))
        if name in LIMITS:
            title = f"{name.capitalize()} of the last fifth, against real play"
            limit = LIMITS[name] or targets.drift
            axis.criteria.append(at_most(title, 100 * drift, 100 * limit, " % off", enough))
    _movement(axis, played, stretches[-1], enough)
    _distances(axis, played, stretches, targets, enough)
    axis.plots["Looks against time; the band is where nine in ten of the real frames lie."] = plots.plot_drift(
        LOOKS, played.looks, played.real_looks, WATCHED_EVERY / tick_rate
    )
    at = np.linspace(0, len(played.pictures) - 1, STILLS).astype(int)
    names = [f"{(t + 1) * WATCHED_EVERY / tick_rate:.0f} s" for t in at]
    axis.sheets["Stills of the long play."] = contact_sheet([[played.pictures[t] for t in at]], names, ["dream"])
    drifted = axis.figures["drift_brightness"], axis.figures["drift_contrast"]
    off = [f"{100 * share:.0f} %" for share in drifted]
    axis.verdict = f"After {frames} frames brightness is {off[0]} and contrast {off[1]} off real play."
    return axis


def _movement(axis: Axis, played: LongPlay, last: NDArray[np.int64], enough: bool) -> None:
    """Whether it still moves at the end: a frozen picture has brightness and contrast, too."""
    if not len(played.changes) or not len(played.real_changes):
        return
    first, end = (float(played.changes[part].mean()) for part in (slice(0, len(last)), slice(-len(last), None)))
    real = float(played.real_changes.mean())
    share = end / max(real, 1e-6)
    axis.figures |= {"movement_first": first, "movement_last": end, "movement_real": real, "movement_share": share}
    words = f"Difference of frames {WATCHED_EVERY} ticks apart"
    axis.rows.append((words, number(first), number(end), number(real)))
    axis.criteria.append(between(f"{words}, last fifth over real play", 100 * share, 50, 150, " %", enough))


def _distances(
    axis: Axis, played: LongPlay, stretches: list[NDArray[np.int64]], targets: Targets, enough: bool
) -> None:
    if len(played.real_pictures) < FEWEST or min(len(s) for s in stretches) < 8:
        axis.notes.append("Too short for a Fréchet distance.")
        return
    network = EfficientNetLite.load()
    real = network.describe(played.real_pictures)
    ruler = Ruler.fit(real)
    first, last = (ruler.distance(real, network.describe(played.pictures[stretches[s]])) for s in (0, -1))
    axis.figures |= {"frechet_first": first, "frechet_last": last, "frechet_last_over_first": last / max(first, 1e-6)}
    axis.rows.append(("Fréchet distance to real play", number(first, 3), number(last, 3), "0"))
    axis.criteria.append(
        at_most("Distance of the last fifth over the first's", last / max(first, 1e-6), targets.distance, " ×", enough)
    )
