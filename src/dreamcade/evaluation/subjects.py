"""What an evaluation knows of a game beforehand: what is read from its frames, and what its world must reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation.windows import Eligible, anywhere, driving


@dataclass(frozen=True, slots=True)
class Targets:
    """What must be reached; PSNR in dB. The defaults are for games that nobody has set targets for."""

    next_gain: float = 3.0
    """Next frame above persistence."""
    next_loss: float = 2.0
    """Next frame below the codec floor."""
    h16_gain: float = 3.0
    next_lpips: float = 0.1
    next_psnr: float | None = None
    control: float = 0.9
    """Share of the real ceiling that actions are named with from dreamed frames."""
    drift: float = 0.15
    """Change of brightness and contrast over long play, against real play."""
    distance: float = 1.5
    """Fréchet distance of the last stretch of long play over the first's."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One game. `readings` are the recorded columns that a network reads from frames (`angles` in radians, `choices`
    with a few whole values); none given: every column that varies. A pilot plays it for `pilot_seconds`."""

    name: str
    targets: Targets = Targets()
    readings: tuple[str, ...] = ()
    angles: tuple[str, ...] = ("heading",)
    choices: tuple[str, ...] = ()
    pilot_seconds: float = 60.0
    pilot_sees: tuple[str, ...] = ()
    """Of what is read, what the pilot's plays are judged by."""


SUBJECTS = {
    "gym:CarRacing-v3": Subject(
        "racing",
        Targets(next_gain=5, next_loss=1, h16_gain=9, next_lpips=0.05, control=0.97),
        ("speed", "yaw_rate", "slip_angle", "wheel_angle", "on_track", "lateral_offset", "curvature_ahead"),
        pilot_seconds=300.0,
    ),
    "procgen:coinrun": Subject(
        "platformer",
        Targets(next_gain=6, next_loss=1.5, h16_gain=4, next_lpips=0.052, control=0.95),
        ("vx", "vy", "x", "y", "supported", "height", "wall", "gap", "danger", "level"),
        choices=("level",),
        pilot_sees=("vx",),
    ),
    "vizdoom:": Subject(
        "doom",
        Targets(next_gain=4, next_loss=2, h16_gain=3, next_lpips=0.2, next_psnr=29.4, control=0.9),
        ("x", "y", "heading", "speed", "ahead", "ahead_left", "ahead_right", "health", "ammo"),
        pilot_sees=("speed",),
    ),
}


def subject_of(game: str) -> Subject:
    """What is known of `game`; a plain subject for any other."""
    for name, subject in SUBJECTS.items():
        if game == name or (name.endswith(":") and game.startswith(name)):
            return subject
    return Subject("other")


def eligible_windows(dataset: Dataset) -> Eligible:
    """Where rollouts may begin: a car must move on its road, any other game may do what it does."""
    first = dataset.episodes("heldout")[:1]
    drives = bool(first) and all({"speed", "on_track"} <= set(dataset.column_names(e)) for e in first)
    return driving() if drives else anywhere


def reading_columns(dataset: Dataset, subject: Subject) -> tuple[str, ...]:
    """The columns of `dataset` that are read from frames: the subject's, or every one that varies."""
    episodes = dataset.episodes("train")[:8]
    there = set.intersection(*(set(dataset.column_names(e)) for e in episodes)) if episodes else set()
    if subject.readings:
        return tuple(name for name in subject.readings if name in there)
    left_out = {"reward", "terminated", "style", "won", "lost", "ended", "score"}
    columns = []
    for name in sorted(there - left_out):
        values = np.concatenate([dataset.column(e, name) for e in episodes])
        if values.dtype.kind in "fiub" and values.ndim == 1 and float(np.std(values.astype(np.float64))) > 1e-6:
            columns.append(name)
    return tuple(columns)
