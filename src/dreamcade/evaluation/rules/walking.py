"""The rules of first-person games: walls stop who walks into them, and turning all the way round comes back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dreamcade.evaluation.axis import Axis, at_least, number
from dreamcade.evaluation.lpips import LPIPS
from dreamcade.evaluation.metrics import lpips_of_pixels, psnr
from dreamcade.evaluation.rules.experiment import Outcome, experiment, run_script
from dreamcade.evaluation.rules.faults import faultless, faultless_line, faultless_words
from dreamcade.evaluation.rules.resting import hold_still
from dreamcade.evaluation.rules.setting import Setting
from dreamcade.evaluation.strips import contact_sheet
from dreamcade.evaluation.windows import anywhere, choose_windows, where
from dreamcade.games.doom.floorplan import FloorPlan
from dreamcade.games.doom.game import TICS_PER_TICK, TURN_SPEED, DoomGame

PUSH_TICKS, FIRE_TICKS = 24, 35
TURN_TICKS = round(360 / (TURN_SPEED * TICS_PER_TICK))
STEP = 1.0
"""Map units between readings below which nobody has moved."""
LEAP = 48.0
"""Map units between readings beyond which the network has changed its mind about where it is: no movement."""


def walking_rules(setting: Setting) -> Axis:
    """Figures `through_walls` (share of movements), `walks_through_walls` (share of walks), `walked_into_wall` (map
    units), `round_psnr`, `round_lpips` (first against last frame of a full turn), `shots_spent` (read after firing),
    `shots_spent_idle` and `health_lost` (after standing still); each also with `_real`; `clear_of_walls`: the share of
    movements that are left, with what is misread of the game taken off."""
    axis = Axis(
        "rules",
        "Rules",
        "From the same moments, the same script in the dream and in the real game: walking on into a wall, a full turn "
        "on the spot, firing, hands off. Places are read from frames by the network of the control axis; a movement "
        "between two of its readings that crosses a wall of the map counts as one through a wall (what it misreads of "
        "the game itself stands beside).",
        columns=("", "dream", "game"),
    )
    experiment(axis, setting, _push, _turn, _spend, _hold_still)
    back, game = (axis.figures.get(key) for key in ("round_lpips", "round_lpips_real"))
    axis.verdict = (
        f"{faultless_words(axis.figures, 'through_walls')} of movements keep out of walls; after a full turn the first "
        f"view comes back to LPIPS {number(back, 3)} (game {number(game, 3)})."
    )
    return axis


def _push(axis: Axis, setting: Setting) -> None:
    windows = choose_windows(setting.dataset, setting.plan.rule_starts, 1, setting.seed + 3, where("ahead", high=64))
    forward = setting.dataset.meta.controls.encode({"move": 1.0})
    plan = _floor_plan(setting)
    for name, side in setting.sides():
        suffix = "" if name == "dream" else "_real"
        outcome = run_script(side, windows, [forward] * PUSH_TICKS, setting, f"walking into walls, {name}")
        movements, walks = through_walls(outcome, plan)
        axis.figures[f"through_walls{suffix}"], axis.figures[f"walks_through_walls{suffix}"] = movements, walks
        axis.figures[f"walked_into_wall{suffix}"] = float(np.median(outcome.columns["speed"].sum(1) * TICS_PER_TICK))
        if name == "dream":
            pictures = [outcome.first[:4], outcome.last[:4]]
            axis.sheets["Walking on into a wall: before, and 24 ticks later."] = contact_sheet(
                pictures, [f"start {i + 1}" for i in range(len(pictures[0]))], ["before", "after"]
            )
    rows = {"through_walls": "Share of movements through a wall",
            "walks_through_walls": "Share of walks that go through a wall anywhere",
            "walked_into_wall": f"Map units walked in {PUSH_TICKS} ticks into a wall, median"}  # fmt: skip
    for key, words in rows.items():
        axis.rows.append((words, number(axis.figures[key], 3), number(axis.figures.get(f"{key}_real"), 3)))
    enough = setting.enough(len(windows), "x", "y")
    lines = {"through_walls": ("Movements that keep out of walls", 98.0),
             "walks_through_walls": ("Walks that end at a wall", 90.0)}  # fmt: skip
    axis.figures["clear_of_walls"] = faultless(axis.figures, "through_walls")
    axis.criteria += [faultless_line(title, axis.figures, key, least, enough) for key, (title, least) in lines.items()]


def _floor_plan(setting: Setting) -> FloorPlan:
    game = DoomGame(setting.dataset.meta.game, (64, 48))
    game.reset(0)
    plan = game.floor_plan
    game.close()
    return plan


def through_walls(outcome: Outcome, plan: FloorPlan) -> tuple[float, float]:
    """Share of the movements between two readings that cross a wall, and of the walks in which any does. Who stands has
    not moved."""
    crossed, moved, walks = 0, 0, 0
    ways = list(zip(smooth(outcome.columns["x"]), smooth(outcome.columns["y"]), strict=True))
    for x, y in ways:
        steps = [t for t in range(len(x) - 1) if STEP <= math.hypot(x[t + 1] - x[t], y[t + 1] - y[t]) <= LEAP]
        through = sum(plan.crosses_wall(x[t], y[t], x[t + 1], y[t + 1]) for t in steps)
        moved, crossed, walks = moved + len(steps), crossed + through, walks + bool(through)
    return crossed / max(moved, 1), walks / max(len(ways), 1)


def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Running medians of five along the last axis: single misreadings do not count."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, ((0, 0), (2, 2)), mode="edge"), 5, 1)
    medians: NDArray[np.float64] = np.median(windows, -1)
    return medians


def _turn(axis: Axis, setting: Setting) -> None:
    windows = choose_windows(setting.dataset, setting.plan.rule_starts, 1, setting.seed + 4, anywhere)
    turn = setting.dataset.meta.controls.encode({"turn": 1.0})
    lpips = LPIPS.load()
    for name, side in setting.sides():
        suffix = "" if name == "dream" else "_real"
        outcome = run_script(side, windows, [turn] * TURN_TICKS, setting, f"full turn, {name}")
        before, after = np.stack(outcome.first), np.stack(outcome.last)
        axis.figures[f"round_psnr{suffix}"] = float(psnr(before, after).mean())
        axis.figures[f"round_lpips{suffix}"] = float(lpips_of_pixels(lpips, before, {"after": after})["after"].mean())
        others = np.roll(after, 1, 0)
        axis.figures[f"round_lpips_others{suffix}"] = float(lpips_of_pixels(lpips, before, {"o": others})["o"].mean())
        rows: list[Sequence[NDArray[np.uint8]]] = [outcome.first[:5], outcome.last[:5]]
        axis.sheets[f"A full turn, {name}: before and after."] = contact_sheet(
            rows, [f"start {i + 1}" for i in range(len(rows[0]))], ["before", "after"]
        )
    for key, words, digits in (("round_psnr", "A full turn: first against last view, PSNR, dB", 1),
                               ("round_lpips", "The same, LPIPS", 3),
                               ("round_lpips_others", "LPIPS to the view of another start", 3)):  # fmt: skip
        axis.rows.append((words, number(axis.figures[key], digits), number(axis.figures.get(f"{key}_real"), digits)))
    nearer = 1 - axis.figures["round_lpips"] / max(axis.figures["round_lpips_others"], 1e-6)
    axis.figures["round_nearer"] = nearer
    axis.criteria.append(at_least("A full turn comes back: nearer than another place by", 100 * nearer, 30.0, " %",
                                  setting.enough(len(windows))))  # fmt: skip


def _spend(axis: Axis, setting: Setting) -> None:
    """Firing costs shots, and nothing else does; what the network reads of the indicators beside the game's own."""
    windows = choose_windows(setting.dataset, setting.plan.rule_starts, 1, setting.seed + 5, where("ammo", low=8))
    controls = setting.dataset.meta.controls
    scripts = {"firing": controls.encode({"attack": True}), "hands off": controls.idle()}
    spent: dict[tuple[str, str], dict[str, float]] = {}
    for words, action in scripts.items():
        for name, side in setting.sides():
            outcome = run_script(side, windows, [action] * FIRE_TICKS, setting, f"{words}, {name}")
            spent[words, name] = {c: float(np.median(_lost(outcome.columns[c]))) for c in ("ammo", "health")}
    for key, words, column in (("shots_spent", "firing", "ammo"), ("shots_spent_idle", "hands off", "ammo"),
                               ("health_lost", "hands off", "health")):  # fmt: skip
        for name, suffix in (("dream", ""), ("game", "_real")):
            axis.figures[f"{key}{suffix}"] = spent.get((words, name), {}).get(column)
        title = f"Read of the indicators, {words}: {column} less after {FIRE_TICKS} ticks, median"
        axis.rows.append((title, number(axis.figures[key]), number(axis.figures[f"{key}_real"])))


def _hold_still(axis: Axis, setting: Setting) -> None:
    hold_still(axis, setting, where("speed", high=0.1))


def _lost(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much less the last readings are than the first, `[W, T]` → `[W]`."""
    some = max(1, values.shape[1] // 6)
    less: NDArray[np.float64] = np.median(values[:, :some], 1) - np.median(values[:, -some:], 1)
    return less
