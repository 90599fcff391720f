"""The rule of every game: where it comes to rest with the hands off, so does the dream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.errors import DatasetError
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.evaluation.axis import Axis, at_most, number, percent
from dreamcade.evaluation.candidate import Candidate
from dreamcade.evaluation.rules.experiment import experiment
from dreamcade.evaluation.rules.setting import Setting
from dreamcade.evaluation.strips import contact_sheet
from dreamcade.evaluation.windows import Eligible, Window, anywhere, choose_windows

SECONDS = 2.0
"""Hands off for so long; the second half is looked at, when what was under way has ended."""
TRIES = 3
"""So many times as many starts are tried as are wanted: few games come to rest everywhere."""
AT_REST, ALLOWED = 0.1, 0.25
"""Of the movement of the picture in held-out play: what a real game at rest may have, and a dream beyond the game."""
SUBSAMPLE = 8


def any_rules(setting: Setting) -> Axis:
    """Figures `still_movement` (of the picture with the hands off, over that of held-out play), also with `_real`."""
    axis = Axis(
        "rules",
        "Rules",
        "Nobody has written down the rules of this game. One holds in any: from moments where the real game comes to "
        "rest with the hands off, nothing may move without cause in the dream either.",
        columns=("", "dream", "game"),
    )
    experiment(axis, setting, hold_still)
    if not axis.criteria:
        raise DatasetError(f"nobody has written down the rules of {setting.dataset.meta.game}; {'; '.join(axis.notes)}")
    moves, real = (percent(axis.figures[key]) for key in ("still_movement", "still_movement_real"))
    axis.verdict = (
        f"With the hands off the picture moves {number(moves, 1)} % as much as in play (game {number(real, 1)} %)."
    )
    return axis


def hold_still(axis: Axis, setting: Setting, eligible: Eligible = anywhere, lead: Sequence[ActionVector] = ()) -> None:
    """Adds a figure, a row and a line to `axis`; the actions `lead` are played before the hands are taken off. Raises
    `DatasetError` where the game cannot be started again, or comes to rest nowhere."""
    if setting.twin is None:
        raise DatasetError("the real game cannot be started again, so nobody knows where it comes to rest")
    dataset, wanted = setting.dataset, setting.plan.rule_starts
    windows = choose_windows(dataset, TRIES * wanted, 1, setting.seed + 6, eligible)
    played = choose_windows(dataset, TRIES * wanted, 1, setting.seed + 7, anywhere)
    play = float(np.mean([_movement(window.context(dataset)[0]) for window in played]))
    real, _ = _hands_off(setting.twin, windows, lead, setting, "hands off, game")
    resting = np.flatnonzero(real <= AT_REST * play)[:wanted]
    if not len(resting) or not play:
        raise DatasetError(f"the game comes to rest from none of {len(windows)} held-out moments")
    dream, ends = _hands_off(setting.candidate, [windows[i] for i in resting], lead, setting, "hands off, dream")
    moves, moves_real = float(dream.mean()) / play, float(real[resting].mean()) / play
    axis.figures |= {"still_movement": moves, "still_movement_real": moves_real, "still_starts": len(resting)}
    axis.rows.append(
        (f"Hands off, movement of the picture over that of play, {len(resting)} starts", number(moves, 3),
         number(moves_real, 3))
    )  # fmt: skip
    beyond = 100 * max(0.0, moves - moves_real)
    axis.criteria.append(at_most("Hands off, movement without cause over that of play", beyond, 100 * ALLOWED, " %",
                                 setting.enough(len(resting))))  # fmt: skip
    before = [windows[i].context(dataset)[0][-1] for i in resting[:4]]
    axis.sheets["Hands off where the game comes to rest: its last frame before, and the dream's at the end."] = (
        contact_sheet([before, ends[:4]], [f"start {i + 1}" for i in range(len(before))], ["game", "dream"])
    )


def _hands_off(
    candidate: Candidate, windows: Sequence[Window], lead: Sequence[ActionVector], setting: Setting, what: str
) -> tuple[NDArray[np.float64], list[Pixels]]:
    """Movement of the picture in the second half of each play, `[W]`, and its last frames."""
    meta = setting.dataset.meta
    ticks = max(4, round(SECONDS * meta.tick_rate))
    moves: list[float] = []
    ends: list[Pixels] = []
    for at in range(0, len(windows), candidate.batch):
        plays = candidate.begin(windows[at : at + candidate.batch], setting.seed + at)
        shown: list[list[Pixels]] = [[] for _ in plays]
        for action in lead:
            candidate.advance(plays, [action] * len(plays))
        for tick in range(ticks):
            candidate.advance(plays, [meta.controls.idle()] * len(plays))
            if tick >= ticks // 2:
                for seen, frame in zip(shown, candidate.show(plays), strict=True):
                    seen.append(frame)
        candidate.finish(plays)
        moves += [_movement(np.stack(seen)) for seen in shown]
        ends += [seen[-1] for seen in shown]
        setting.progress(what, len(moves), len(windows))
    return np.array(moves, np.float64), ends


def _movement(frames: Pixels) -> float:
    """Mean difference (0…255) of neighbouring frames uint8 `[T, H, W, 3]`."""
    small = frames[:, ::SUBSAMPLE, ::SUBSAMPLE].astype(np.int16)
    return float(np.abs(np.diff(small, axis=0)).mean())
