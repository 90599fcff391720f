"""The rules of the platform game: how high a jump goes, and that walls stop whoever runs into them."""

from __future__ import annotations

import numpy as np

from dreamcade.evaluation.axis import Axis, at_least, between, number, percent
from dreamcade.evaluation.rules.experiment import Outcome, experiment, ratio, run_script
from dreamcade.evaluation.rules.faults import faultless, faultless_line, faultless_words
from dreamcade.evaluation.rules.setting import Setting
from dreamcade.evaluation.rules.walls import WallReader, frames_inside
from dreamcade.evaluation.strips import contact_sheet
from dreamcade.evaluation.windows import choose_windows, every, where

JUMP_TICKS, PUSH_TICKS, REST_TICKS = 16, 12, 12
BEYOND = 1.0
"""Cells that a player may seem to get farther than in the game before it has gone through a wall."""
STANDING_STILL = 0.25
"""Cells that a player may seem to move without any key."""


def platform_rules(setting: Setting) -> Axis:
    """Figures `jump_apex` (cells), `wall_held` (share of runs into a wall that stop), `inside_wall` (share of their
    frames that seem to have the player inside a wall), `still_held` (share of idle plays without movement); each also
    with `_real`; `outside_walls` is the share of frames that are left, with what is misread of the game taken off."""
    axis = Axis(
        "rules",
        "Rules",
        "From the same moments, the same script in the dream and in the real game: a jump from standing, a run into a "
        "wall, hands off. Speeds are read from the frames by the network of the control axis, in the dream and in the "
        "game; a second network tells wall from air at the edges of the player's body.",
        columns=("", "dream", "game"),
    )
    experiment(axis, setting, _jump, _push, _rest)
    apex, held = axis.figures.get("jump_ratio"), axis.figures.get("wall_held")
    axis.verdict = (
        f"A jump goes {number(percent(apex), 0)} % as high as in the game; {number(percent(held), 0)} % of runs into a "
        f"wall stop there; {faultless_words(axis.figures, 'inside_wall')} of frames have the player outside of every "
        "wall."
    )
    return axis


def _jump(axis: Axis, setting: Setting) -> None:
    standing = every(where("supported", 1), where("height", high=0.05), where("vx", -0.05, 0.05))
    windows = choose_windows(setting.dataset, setting.plan.rule_starts, 1, setting.seed + 3, standing)
    controls = setting.dataset.meta.controls
    script = [controls.encode({"up": True})] + [controls.idle()] * (JUMP_TICKS - 1)
    apexes = {}
    for name, side in setting.sides():
        outcome = run_script(side, windows, script, setting, f"jumping, {name}")
        apexes[name] = float(np.median(jump_apexes(outcome)))
        if name == "dream":
            row = [outcome.first[0], outcome.last[0]]
            axis.sheets["A jump from standing: before, and 16 ticks later."] = contact_sheet(
                [row], ["before", "after"], ["dream"]
            )
    dream, real = apexes.get("dream"), apexes.get("game")
    axis.figures |= {"jump_apex": dream, "jump_apex_real": real, "jump_ratio": ratio(dream, real)}
    axis.rows.append((f"Apex of a jump, cells, median of {len(windows)}", number(dream), number(real)))
    enough = setting.enough(len(windows), "vy")
    axis.criteria.append(between("Apex of a jump over the game's", ratio(dream, real), 0.9, 1.1, "", enough))


def jump_apexes(outcome: Outcome) -> np.ndarray:
    """The highest that the read upward speeds add up to, cells, `[W]`."""
    return np.asarray(np.cumsum(outcome.columns["vy"], axis=1).max(1))


def _push(axis: Axis, setting: Setting) -> None:
    before_wall = every(where("wall", 1), where("supported", 1), where("vx", -0.1, 0.6))
    windows = choose_windows(setting.dataset, setting.plan.rule_starts, 1, setting.seed + 4, before_wall)
    right = setting.dataset.meta.controls.encode({"right": True})
    gone, inside = {}, {}
    walls = WallReader.kept(setting.dataset, setting.progress)
    for name, side in setting.sides():
        outcome = run_script(
            side, windows, [right] * PUSH_TICKS, setting, f"running into walls, {name}",
            look=lambda frames: frames_inside(walls, frames),
        )  # fmt: skip
        gone[name] = outcome.columns["vx"].sum(1)
        inside[name] = np.array(outcome.looked)
        if name == "dream":
            pictures = [outcome.first[:4], outcome.last[:4]]
            axis.sheets["Running right into a wall: before, and 12 ticks later."] = contact_sheet(
                pictures, [f"start {i + 1}" for i in range(len(pictures[0]))], ["before", "after"]
            )
    held = float((gone["dream"] <= gone["game"] + BEYOND).mean()) if "game" in gone else None
    axis.figures["wall_held"] = held
    for name, suffix in (("dream", ""), ("game", "_real")):
        axis.figures[f"inside_wall{suffix}"] = float(np.mean(inside[name])) if name in inside else None
        axis.figures[f"cells_into_wall{suffix}"] = float(np.median(gone[name])) if name in gone else None
    rows = {"cells_into_wall": f"Cells gone in {PUSH_TICKS} ticks of running into a wall, median",
            "inside_wall": "Share of these frames that seem to have the player inside a wall"}  # fmt: skip
    for key, words in rows.items():
        axis.rows.append((words, number(axis.figures[key], 3), number(axis.figures[f"{key}_real"], 3)))
    enough = setting.enough(len(windows), "vx")
    axis.criteria.append(at_least("Runs into a wall that stop there", percent(held), 95.0, " %", enough))
    axis.figures["outside_walls"] = faultless(axis.figures, "inside_wall")
    outside = "Frames with the player outside of every wall"
    axis.criteria.append(faultless_line(outside, axis.figures, "inside_wall", 99.0, setting.enough(len(windows))))


def _rest(axis: Axis, setting: Setting) -> None:
    standing = every(where("supported", 1), where("vx", -0.02, 0.02), where("danger", high=0))
    windows = choose_windows(setting.dataset, setting.plan.rule_starts, 1, setting.seed + 5, standing)
    idle = setting.dataset.meta.controls.idle()
    shares = {}
    for name, side in setting.sides():
        outcome = run_script(side, windows, [idle] * REST_TICKS, setting, f"hands off, {name}")
        drift = np.hypot(outcome.columns["vx"].sum(1), outcome.columns["vy"].sum(1))
        shares[name] = float((drift < STANDING_STILL * np.sqrt(REST_TICKS)).mean())
    axis.figures |= {"still_held": shares.get("dream"), "still_held_real": shares.get("game")}
    axis.rows.append(
        ("Share of idle plays that stay where they are", number(shares.get("dream")), number(shares.get("game")))
    )
    moved = {key: 1 - axis.figures[f"still_held{suffix}"] for key, suffix in (("moved", ""), ("moved_real", "_real"))
             if axis.figures[f"still_held{suffix}"] is not None}  # fmt: skip
    enough = setting.enough(len(windows), "vx", "vy")
    axis.criteria.append(faultless_line("Hands off, plays that stay where they are", moved, "moved", 90.0, enough))
