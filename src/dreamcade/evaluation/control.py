"""The axis `control`: can the actions be told from the frames that they led to?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.controls import Controls
from dreamcade.core.types import Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation.axis import Axis, at_least, number, percent
from dreamcade.evaluation.candidate import Candidate
from dreamcade.evaluation.metrics import Progress, mean_interval, psnr
from dreamcade.evaluation.reading import ACTED, FRAMES, Reader, balanced_accuracy, classes_of
from dreamcade.evaluation.subjects import Targets
from dreamcade.evaluation.windows import Window

TICKS = 16
"""How long a candidate is watched under each set of actions."""
ENOUGH_RUNS, ENOUGH_WINDOWS = 300, 24
TOLD_AT_ALL = 0.15
"""Balanced accuracy above guessing, on real frames, from which on a control is judged by itself."""


@dataclass(slots=True)
class Watched:
    """Frames uint8 `[W, TICKS + 1, H, W, 3]` from the last of the context on, the actions `[W, TICKS, A]` between."""

    real: list[Pixels]
    dreamed: list[Pixels]
    shuffled: list[Pixels]
    actions: NDArray[np.float32]
    other_actions: NDArray[np.float32]
    episodes: list[str]


def watch(
    candidate: Candidate, dataset: Dataset, windows: Sequence[Window], *, seed: int, progress: Progress
) -> Watched:
    """Plays every window twice: under its own actions, and under those of another window."""
    actions = np.stack([dataset.actions(w.episode, w.newest, w.newest + TICKS) for w in windows])
    # Around one random circle of all windows, so that none gets its own.
    circle = np.random.default_rng(seed).permutation(len(windows))
    other = np.empty_like(actions)
    other[circle] = np.roll(actions[circle], 1, axis=0) if len(windows) > 1 else -actions
    watched = Watched([], [], [], actions, other, [w.episode.name for w in windows])
    for at in range(0, len(windows), candidate.batch):
        group = windows[at : at + candidate.batch]
        real = [dataset.frames(w.episode, w.newest, w.newest + TICKS + 1) for w in group]
        watched.real += real
        for kept, given in ((watched.dreamed, actions), (watched.shuffled, other)):
            kept += _play(candidate, group, real, given[at : at + len(group)], seed + at)
        progress("control", min(at + candidate.batch, len(windows)), len(windows))
    return watched


def _play(
    candidate: Candidate, windows: Sequence[Window], real: Sequence[Pixels], actions: NDArray[np.float32], seed: int
) -> list[Pixels]:
    plays = candidate.begin(windows, seed)
    shown = [[frames[0]] for frames in real]
    for tick in range(TICKS):
        candidate.advance(plays, list(actions[:, tick]))
        for kept, frame in zip(shown, candidate.show(plays), strict=True):
            kept.append(frame)
    candidate.finish(plays)
    return [np.stack(kept) for kept in shown]


def control_axis(watched: Watched, reader: Reader, controls: Controls, targets: Targets) -> Axis:
    """Figures `control_real`, `control_dream`, `control_random` (balanced accuracy, 0…1), `control_ratio` (dream over
    real), one of each per control, `control_worst` (dream over real for the least of them, above guessing), and
    `psnr_true_over_shuffled`."""
    axis = Axis(
        "control",
        "Control",
        "A network trained on real play names the action from four frames in a row: balanced accuracy, so that a "
        "setting that is seldom used counts as much as one that always is. Real frames are the ceiling. Under random "
        "actions: those of another window, which the world has never seen here.",
        columns=("", "real frames", "dream, true actions", "dream, random actions"),
    )
    sides = {
        "real": (watched.real, watched.actions), "dream": (watched.dreamed, watched.actions),
        "random": (watched.shuffled, watched.other_actions),
    }  # fmt: skip
    scores = {name: _accuracy(reader, frames, actions, controls) for name, (frames, actions) in sides.items()}
    for i, control in enumerate(controls.names):
        values = [scores[name][i] for name in sides]
        axis.rows.append((control, *(number(v, 3) for v in values)))
        axis.figures |= {f"control_{name}_{control}": scores[name][i] for name in sides}
    used = [i for i in range(controls.size) if all(scores[name][i] is not None for name in sides)]
    means = {name: float(np.mean([scores[name][i] for i in used])) if used else None for name in sides}
    axis.rows.append(("mean of controls that are used", *(number(means[name], 3) for name in sides)))
    axis.figures |= {f"control_{name}": value for name, value in means.items()}
    ceiling, dreamed, random = means["real"], means["dream"], means["random"]
    ratio = dreamed / ceiling if dreamed is not None and ceiling else None
    axis.figures["control_ratio"] = ratio
    axis.figures["control_ratio_random"] = random / ceiling if random is not None and ceiling else None
    enough = len(watched.real) * (TICKS + 1 - FRAMES) >= ENOUGH_RUNS
    axis.criteria.append(
        at_least(
            "Actions named from the dream, over the real ceiling", percent(ratio), 100 * targets.control, " %", enough
        )
    )
    _judge_each(axis, scores["real"], scores["dream"], _settings(watched.actions, controls), controls, enough)
    _compare_shuffled(axis, watched)
    axis.verdict = (
        f"Actions are named in {number(dreamed)} of dreamed frames, {number(ceiling)} of real ones; "
        f"{number(random)} under actions that the place never saw."
    )
    return axis


def _accuracy(
    reader: Reader, plays: Sequence[Pixels], actions: NDArray[np.float32], controls: Controls
) -> list[float | None]:
    named, true = [], []
    for frames, given in zip(plays, actions, strict=True):
        runs = [frames[t : t + FRAMES] for t in range(1, len(frames) - FRAMES + 1)]
        named.append(reader.read(runs).classes)
        true.append(classes_of(given[1 + ACTED : 1 + ACTED + len(runs)], controls))
    return balanced_accuracy(np.concatenate(named), np.concatenate(true))


def _settings(actions: NDArray[np.float32], controls: Controls) -> list[int]:
    """How many settings of each control occur in `[W, T, A]`."""
    return [len(np.unique(column)) for column in classes_of(actions.reshape(-1, controls.size), controls).T]


def _judge_each(
    axis: Axis, real: Sequence[float | None], dream: Sequence[float | None], settings: Sequence[int],
    controls: Controls, enough: bool,
) -> None:  # fmt: skip
    """A mean over controls hides one that does nothing. Guessing is right once in as many times as there are settings;
    what is above that counts, for controls that can be told from real frames at all."""
    answers = {
        name: (seen - 1 / count) / (ceiling - 1 / count)
        for name, ceiling, seen, count in zip(controls.names, real, dream, settings, strict=True)
        if ceiling is not None and seen is not None and ceiling - 1 / count >= TOLD_AT_ALL
    }
    if not answers:
        return
    worst = min(answers, key=lambda name: answers[name])
    axis.figures |= {"control_worst": answers[worst], "control_worst_name": worst}
    title = f"Least of all controls ({worst}), what is above guessing over real frames"
    axis.criteria.append(at_least(title, percent(answers[worst]), 50.0, " %", enough))


def _compare_shuffled(axis: Axis, watched: Watched) -> None:
    """How much worse the candidate predicts when it is given the wrong actions."""
    differences = []
    for real, true, wrong in zip(watched.real, watched.dreamed, watched.shuffled, strict=True):
        differences.append(float(psnr(true[-1], real[-1]) - psnr(wrong[-1], real[-1])))
    mean = float(np.mean(differences))
    axis.figures["psnr_true_over_shuffled"] = mean
    axis.figures["psnr_true_over_shuffled_interval"] = mean_interval(differences, watched.episodes)
    axis.rows.append((f"PSNR {TICKS} ahead: true actions over another window's, dB", "", number(mean), ""))
    enough = len(watched.real) >= ENOUGH_WINDOWS
    axis.criteria.append(at_least("True actions predict better than others, 16 ahead", mean, 0.5, " dB", enough))
