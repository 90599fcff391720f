"""Held-out play continued under the recorded actions: what the candidate shows, and what the game really showed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.types import Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation.candidate import Candidate
from dreamcade.evaluation.lpips import LPIPS, SMALLEST_SIDE
from dreamcade.evaluation.metrics import Progress, lpips_of_pixels, psnr, ssim
from dreamcade.evaluation.windows import CONTEXT, Window

HORIZONS = (1, 4, 16, 64, 256)
"""Frames ahead that the headline figures look."""
CURVE = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
"""Frames ahead on the curves."""
STRETCHES = ((1, 16), (17, 64), (65, 256))
"""Frames ahead, from and to, whose pictures are pooled to compare distributions."""
SAMPLES = 6
"""Moments of each stretch that a window gives to its pool."""
SOURCES = ("dream", "persistence", "codec")
"""The candidate, the last context frame held still, and the real frame through the codec alone."""
TEACHER_STRIDE, TEACHER_CONTEXTS = 11, 2
"""How far apart, and how many, the further contexts of a window are from which only the next frame is made."""

Scores = dict[str, dict[str, NDArray[np.float64]]]
"""Measure → source → `[windows, N]`: `psnr` and `ssim` along the curve, `lpips`, which is slow, at the horizons."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A frame and the one after it, of the game and of the candidate, each uint8 `[2, H, W, 3]`."""

    real: Pixels
    dream: Pixels


@dataclass(slots=True)
class Rollouts:
    """`scores` are open-loop, at `curve` frames ahead; `teacher` those of next frames after true contexts, `[N]` each.

    `episodes` and `teacher_episodes` name where each row comes from. `pairs` holds the sampled moments per stretch;
    `strips` (real, dreamed) pictures at the horizons of the first windows; `clips` (real, dreamed) whole plays of the
    first few, `[T, H, W, 3]`.
    """

    curve: tuple[int, ...]
    horizons: tuple[int, ...]
    scores: Scores
    teacher: Scores
    episodes: list[str]
    teacher_episodes: list[str]
    pairs: dict[tuple[int, int], list[Pair]] = field(default_factory=dict)
    strips: list[tuple[Pixels, Pixels]] = field(default_factory=list)
    clips: list[tuple[Pixels, Pixels]] = field(default_factory=list)

    def at(self, measure: str, source: str, horizon: int) -> NDArray[np.float64]:
        """`[windows]` figures at one horizon."""
        return self.scores[measure][source][:, self.points(measure).index(horizon)]

    def points(self, measure: str) -> tuple[int, ...]:
        """How many frames ahead a measure's columns are."""
        return self.horizons if measure == "lpips" else self.curve


def longest_horizon(dataset: Dataset) -> int:
    """The longest of `CURVE` that fits into the held-out episodes behind a context; half of them must be so long."""
    lengths = sorted(e.length for e in dataset.episodes("heldout"))
    room = lengths[len(lengths) // 2] - CONTEXT - 1 if lengths else 0
    return max((h for h in CURVE if h <= room), default=1)


def roll_out(
    candidate: Candidate, dataset: Dataset, windows: Sequence[Window], longest: int, *, seed: int, progress: Progress,
    strips: int = 6, clips: int = 2,
) -> Rollouts:  # fmt: skip
    """Continues every window for `longest` frames (one of `CURVE`) under its recorded actions and scores what comes."""
    curve = tuple(h for h in CURVE if h <= longest)
    made = Rollouts(curve, tuple(h for h in HORIZONS if h <= longest), {}, {}, [], [])
    judge = _Judge(candidate)
    rows: list[Scores] = []
    for at in range(0, len(windows), candidate.batch):
        group = windows[at : at + candidate.batch]
        shown = _continue(candidate, dataset, group, _wanted(longest, clips if at == 0 else 0), seed + at)
        for window, dreamed in zip(group, shown, strict=True):
            real = _real_frames(dataset, window, sorted(dreamed), longest)
            rows.append(judge.curves(dataset, window, real, dreamed, curve))
            made.episodes.append(window.episode.name)
            _keep(made, real, dreamed, strips, clips)
        progress("open-loop rollouts", len(rows), len(windows))
    made.scores = _stacked(rows)
    _force(made, candidate, judge, dataset, windows, seed, progress)
    return made


def _wanted(longest: int, clips: int) -> set[int]:
    """Frames ahead that are looked at: those of the curve, the stretches' samples, and all of them for a clip."""
    wanted = {h for h in CURVE if h <= longest}
    for first, last in STRETCHES:
        for tick in np.linspace(first, min(last, longest), SAMPLES).astype(int):
            if first <= tick <= longest:
                wanted |= {int(tick), max(1, int(tick) - 1)}
    return set(range(1, longest + 1)) if clips else wanted


def _continue(
    candidate: Candidate, dataset: Dataset, windows: Sequence[Window], wanted: set[int], seed: int
) -> list[dict[int, Pixels]]:
    """The candidate's frames by how far ahead they are, for each window."""
    plays = candidate.begin(windows, seed)
    actions = [dataset.actions(w.episode, w.newest, w.newest + max(wanted)) for w in windows]
    shown: list[dict[int, Pixels]] = [{} for _ in windows]
    for ahead in range(1, max(wanted) + 1):
        candidate.advance(plays, [a[ahead - 1] for a in actions])
        if ahead in wanted:
            for kept, frame in zip(shown, candidate.show(plays), strict=True):
                kept[ahead] = frame
    candidate.finish(plays)
    return shown


def _real_frames(dataset: Dataset, window: Window, wanted: Sequence[int], longest: int) -> dict[int, Pixels]:
    """The game's frames at `wanted`, and the last of the context at 0."""
    frames = dataset.frames(window.episode, window.newest, window.newest + longest + 1)
    return {ahead: frames[ahead] for ahead in (0, *wanted)}


def _keep(made: Rollouts, real: dict[int, Pixels], dreamed: dict[int, Pixels], strips: int, clips: int) -> None:
    longest = made.curve[-1]
    for stretch in STRETCHES:
        pool = made.pairs.setdefault(stretch, [])
        for tick in np.linspace(stretch[0], min(stretch[1], longest), SAMPLES).astype(int):
            if stretch[0] <= tick <= longest and tick > 1:
                before, now = int(tick) - 1, int(tick)
                pool.append(Pair(np.stack([real[before], real[now]]), np.stack([dreamed[before], dreamed[now]])))
    if len(made.strips) < strips:
        made.strips.append((np.stack([real[h] for h in made.horizons]), np.stack([dreamed[h] for h in made.horizons])))
    if len(made.clips) < clips and len(dreamed) == longest:
        ticks = range(1, longest + 1)
        made.clips.append((np.stack([real[t] for t in ticks]), np.stack([dreamed[t] for t in ticks])))


def _force(
    made: Rollouts, candidate: Candidate, judge: _Judge, dataset: Dataset, windows: Sequence[Window], seed: int,
    progress: Progress,
) -> None:  # fmt: skip
    """Scores next frames after true contexts, a few of each window."""
    contexts = [
        Window(w.episode, w.start + TEACHER_STRIDE * i)
        for w in windows
        for i in range(TEACHER_CONTEXTS)
        if w.newest + TEACHER_STRIDE * i + 1 < w.episode.length
    ]
    rows: list[Scores] = []
    for at in range(0, len(contexts), candidate.batch):
        group = contexts[at : at + candidate.batch]
        for window, dreamed in zip(group, _continue(candidate, dataset, group, {1}, seed + at), strict=True):
            rows.append(judge.curves(dataset, window, _real_frames(dataset, window, [1], 1), dreamed, (1,)))
            made.teacher_episodes.append(window.episode.name)
        progress("next frames", len(rows), len(contexts))
    made.teacher = {m: {s: v[:, 0] for s, v in sources.items()} for m, sources in _stacked(rows).items()}


class _Judge:
    """Scores frames; keeps the networks."""

    def __init__(self, candidate: Candidate) -> None:
        self._candidate = candidate
        self._lpips = LPIPS.load()

    def curves(
        self, dataset: Dataset, window: Window, real: dict[int, Pixels], dreamed: dict[int, Pixels],
        curve: tuple[int, ...],
    ) -> Scores:  # fmt: skip
        """Every measure of every source, `[1, N]` each; `curve` must hold some of `HORIZONS`."""
        truth = np.stack([real[h] for h in curve])
        rivals = {"dream": np.stack([dreamed[h] for h in curve]), "persistence": real[0][None],
                  "codec": self._candidate.through_codec(truth)}  # fmt: skip
        scores: Scores = {"psnr": {}, "ssim": {}}
        for name, pictures in rivals.items():
            whole = np.broadcast_to(pictures, truth.shape)
            scores["psnr"][name] = psnr(whole, truth)[None]
            scores["ssim"][name] = ssim(whole, truth)[None]
        if min(truth.shape[1:3]) >= SMALLEST_SIDE:
            at = [curve.index(h) for h in HORIZONS if h in curve]
            seen = {name: pictures if len(pictures) == 1 else pictures[at] for name, pictures in rivals.items()}
            scores["lpips"] = {n: v[None] for n, v in lpips_of_pixels(self._lpips, truth[at], seen).items()}
        return scores


def _stacked(rows: Sequence[Scores]) -> Scores:
    return {m: {s: np.concatenate([r[m][s] for r in rows]) for s in rows[0][m]} for m in rows[0]}
