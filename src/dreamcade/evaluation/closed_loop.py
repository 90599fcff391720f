"""The axis `closed loop`: a pilot that sees only pictures plays the dream and the real game from the same moments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.types import ActionVector, Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation import plots
from dreamcade.evaluation.axis import Axis, Criterion, number
from dreamcade.evaluation.candidate import Candidate
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.pilots.base import Pilot
from dreamcade.evaluation.strips import contact_sheet
from dreamcade.evaluation.windows import Window

_STILLS = 7
_SUBSAMPLE = 8
_READ_AT_ONCE = 32
"""Frames of a recording that are in memory together."""

MakePilot = Callable[[int], Pilot]
"""The pilot of the play with this number."""
SEEING = (
    "A pilot that sees only pictures plays for up to {limit:.0f} seconds from held-out moments, in the dream and, from "
    "the same moments, in the real game. Survival and variety stand side by side, for it is easy to survive in a dull "
    "or frozen world."
)
BLIND = (
    "Nobody has written a pilot for this game: keys are pressed without a plan and without a look at the picture, for "
    "{limit:.0f} seconds from held-out moments, the same in the dream and in the real game. That tells whether the "
    "dream goes on moving and changing as the game does, not whether somebody who reacts to it would get as far. Where "
    "the game cannot be started again, its own recorded play stands beside, under other keys, and nothing is judged."
)


@dataclass(slots=True)
class Drive:
    """One play of a pilot. `actions` holds every tick's; `change` the mean absolute difference of neighbouring frames
    (0…255); `brightness`, `contrast` (deviation) and `detail` (mean step between neighbouring pixels) of every frame;
    `stills` (seconds, picture); `liveliness` what the pilot says went on; `variety` the deviation of a pixel over the
    play (0…255), mean of all."""

    tick_rate: float
    limit: int
    survived: bool = False
    actions: list[ActionVector] = field(default_factory=list)
    change: list[float] = field(default_factory=list)
    brightness: list[float] = field(default_factory=list)
    contrast: list[float] = field(default_factory=list)
    detail: list[float] = field(default_factory=list)
    stills: list[tuple[float, Pixels]] = field(default_factory=list)
    liveliness: dict[str, float] = field(default_factory=dict)
    can_be_lost: bool = True
    variety: float = 0.0

    @property
    def seconds(self) -> float:
        """Until the pilot was lost, or the whole play."""
        return len(self.actions) / self.tick_rate


class Logbook:
    """Gives one play's frames to a pilot, or to nobody, and writes down what happens."""

    def __init__(self, pilot: Pilot | None, tick_rate: float, limit: int, stills: bool) -> None:
        self.pilot = pilot
        self.drive = Drive(tick_rate, limit, can_be_lost=pilot is not None and pilot.can_be_lost)
        self._stills = stills
        self._previous: Pixels | None = None
        self._sum: NDArray[np.float64] | float = 0.0
        self._squares: NDArray[np.float64] | float = 0.0

    def act(self, pixels: Pixels) -> ActionVector | None:
        """The action for the newest frame, or None once the play is over."""
        assert self.pilot is not None
        action = self.pilot.act(pixels)
        log = self.drive
        self.watch(pixels)
        if self.pilot.lost or len(log.actions) >= log.limit:
            log.survived = not self.pilot.lost
            taken = np.stack(log.actions) if log.actions else np.zeros((0, len(action)), np.float32)
            log.liveliness = self.pilot.liveliness(taken, log.tick_rate)
            return None
        log.actions.append(action)
        return action

    def watch(self, pixels: Pixels) -> None:
        """Writes down what the newest frame looks like."""
        log = self.drive
        small = pixels[::_SUBSAMPLE, ::_SUBSAMPLE].copy()
        if self._previous is not None:
            log.change.append(float(np.abs(small.astype(np.int16) - self._previous).mean()))
        self._previous = small
        wide = small.astype(np.float64)
        self._sum, self._squares = self._sum + wide, self._squares + wide**2
        seen = len(log.brightness) + 1
        log.variety = float(np.sqrt(np.maximum(self._squares / seen - (self._sum / seen) ** 2, 0.0)).mean())
        log.brightness.append(float(small.mean()))
        log.contrast.append(float(small.std()))
        log.detail.append(float(np.abs(np.diff(pixels[::_SUBSAMPLE].astype(np.int16), axis=1)).mean()))
        if self._stills and len(log.actions) % max(1, log.limit // (_STILLS - 1)) == 0:
            log.stills.append((log.seconds, pixels.copy()))


def play_pilot(
    candidate: Candidate, windows: Sequence[Window], make: MakePilot, *, seconds: float, tick_rate: float, seed: int,
    what: str, progress: Progress,
) -> list[Drive]:  # fmt: skip
    """One play from each window, a few together as one batch."""
    limit = max(1, round(seconds * tick_rate))
    drives: list[Drive] = []
    for at in range(0, len(windows), candidate.batch):
        group = windows[at : at + candidate.batch]
        plays = candidate.begin(group, seed + at)
        logs = [Logbook(make(at + i), tick_rate, limit, stills=at + i < 3) for i in range(len(group))]
        running = list(range(len(group)))
        tick = 0
        while running:
            frames = candidate.show([plays[i] for i in running])
            decided = {i: logs[i].act(frame) for i, frame in zip(running, frames, strict=True)}
            running = [i for i, action in decided.items() if action is not None]
            candidate.advance([plays[i] for i in running], [a for a in decided.values() if a is not None])
            tick += 1
            if tick % 25 == 0:
                progress(what, (at + len(group) * min(tick, limit) // limit), len(windows))
        candidate.finish(plays)
        drives += [log.drive for log in logs]
        progress(what, len(drives), len(windows))
    return drives


def recorded_plays(dataset: Dataset, windows: Sequence[Window], seconds: float) -> list[Drive]:
    """What the game showed after each window in the recording, for so long or to the episode's end, as plays."""
    rate = dataset.meta.tick_rate
    limit = max(1, round(seconds * rate))
    drives = []
    for i, window in enumerate(windows):
        log = Logbook(None, rate, limit, stills=i < 3)
        end = min(window.newest + limit, window.episode.length)
        for at in range(window.newest, end, _READ_AT_ONCE):
            span = at, min(at + _READ_AT_ONCE, end)
            for frame, action in zip(dataset.frames(window.episode, *span), dataset.actions(window.episode, *span),
                                     strict=True):  # fmt: skip
                log.watch(frame)
                log.drive.actions.append(action)
        drives.append(log.drive)
    return drives


def drive_figures(drives: Sequence[Drive], suffix: str = "") -> dict[str, float | int]:
    """The plays as JSON keys, each ending in `suffix`."""
    change = np.concatenate([np.asarray(d.change, np.float64) for d in drives])
    figures: dict[str, float | int] = {}
    if drives[0].can_be_lost:
        figures["pilot_seconds_median"] = float(np.median([d.seconds for d in drives]))
        figures["pilot_lasted"] = sum(d.survived for d in drives)
    figures |= {
        "pilot_starts": len(drives),
        "pilot_frame_difference": float(change.mean()) if len(change) else 0.0,
        "pilot_variety": float(np.mean([d.variety for d in drives])),
        "pilot_detail_kept": float(np.median([_detail_kept(d) for d in drives])),
    }
    for name in drives[0].liveliness:
        figures[f"pilot_{name}"] = float(np.mean([d.liveliness[name] for d in drives]))
    return {name + suffix: value for name, value in figures.items()}


def _detail_kept(drive: Drive) -> float:
    """Detail in the last sixth of a play over that in the first: a dream that dissolves loses it."""
    some = max(1, len(drive.detail) // 6)
    if not drive.detail:
        return 0.0
    return float(np.mean(drive.detail[-some:])) / max(float(np.mean(drive.detail[:some])), 1e-6)


def closed_loop_axis(
    dream: Sequence[Drive], real: Sequence[Drive], judge: Callable[[dict[str, float | int | None]], list[Criterion]],
    sees: float = 1.0, blind: bool = False, beside: str = "game",
) -> Axis:  # fmt: skip
    """Figures `pilot_…` of the dream, and with `_real` of the game; `judge` knows what this game's pilot must reach.
    `sees` says how much of what it reads from real frames is true, of 1; `blind` that it reads nothing; `beside` what
    `real` shows: the game under the same pilot, or its recording."""
    limit = dream[0].limit / dream[0].tick_rate
    axis = Axis(
        "closed_loop",
        "Closed loop",
        (BLIND if blind else SEEING).format(limit=limit),
        columns=("", "dream", beside),
    )
    axis.figures = {**drive_figures(dream), **(drive_figures(real, "_real") if real else {}), "pilot_limit": limit}
    axis.figures |= {"pilot_sees": sees, "pilot_same_play": beside == "game"}
    axis.figures["pilot_seconds"] = [round(d.seconds, 2) for d in dream]
    names = {"pilot_seconds_median": "Median seconds", "pilot_lasted": "Plays that lasted", "pilot_starts": "Plays",
             "pilot_frame_difference": "Mean difference of neighbouring frames (0…255)",
             "pilot_variety": "Deviation of a pixel over a play (0…255)",
             "pilot_detail_kept": "Detail at the end over detail at the beginning"}  # fmt: skip
    names |= {f"pilot_{name}": name.replace("_", " ").capitalize() for name in dream[0].liveliness}
    for key, words in ((key, words) for key, words in names.items() if key in axis.figures):
        axis.rows.append((words, number(axis.figures.get(key)), number(axis.figures.get(f"{key}_real"))))
    axis.criteria = judge(axis.figures)
    axis.plots["Each line is one play; a dream that melts drifts away from the game."] = plots.plot_plays(dream, real)
    for where, plays in (("dream", dream), (beside, real)):
        for i, play in enumerate(p for p in plays if p.stills):
            columns = [f"{seconds:.0f} s" for seconds, _ in play.stills]
            caption = f"The pilot's play {i + 1} in the {where}, {play.seconds:.0f} s."
            axis.sheets[caption] = contact_sheet([[picture for _, picture in play.stills]], columns, [where], 220)
    starts = axis.figures["pilot_starts"]
    told = list(dream[0].liveliness) or ["frame_difference", "variety", "detail_kept"]
    pairs = {name: (axis.figures[f"pilot_{name}"], axis.figures.get(f"pilot_{name}_real")) for name in told}
    lively = ", ".join(f"{name.replace('_', ' ')} {number(a)} ({number(b)})" for name, (a, b) in pairs.items())
    lasted = axis.figures.get("pilot_lasted")
    how_many = f"{starts} plays of" if lasted is None else f"{lasted} of {starts} plays last"
    axis.verdict = f"{how_many} {limit:.0f} s (in brackets the {beside}): {lively}."
    return axis
