"""The rules of racing: the wheel turns the car, brakes stop it, grass slows it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dreamcade.evaluation import plots
from dreamcade.evaluation.axis import Axis, at_least, at_most, between, number, percent
from dreamcade.evaluation.rules.experiment import Outcome, experiment, ratio, run_script
from dreamcade.evaluation.rules.resting import hold_still
from dreamcade.evaluation.rules.setting import Setting
from dreamcade.evaluation.rules.steering import TICKS as STEER_TICKS
from dreamcade.evaluation.rules.steering import SteerTry, steer_everywhere
from dreamcade.evaluation.strips import contact_sheet
from dreamcade.evaluation.windows import choose_windows, driving, off_road

BRAKE_TICKS, GAS_TICKS = 75, 40
STANDING = 4.0
"""Units a second below which a car counts as stopped: the network reads small speeds no better."""
ENOUGH_STEERS = 40


def racing_rules(setting: Setting) -> Axis:
    """Figures `steer_response`, `braking_distance`, `off_road_speed`, `on_road_speed`, `still_movement`, each also with
    `_real`."""
    axis = Axis(
        "rules",
        "Rules",
        "From the same moments, the same script in the dream and in the real game: full lock to either side for 8 "
        "ticks; the brake held; full gas on the road and on the grass; hands off once the brake has stopped the car. "
        "Turns are found by registration; speeds are read from the frames by the network of the control axis, in the "
        "dream and in the game.",
        columns=("", "dream", "game"),
    )
    experiment(axis, setting, _steer, _brake, _leave_the_road, _hold_still)
    share, ahead = axis.figures.get("steer_response"), axis.figures.get("braking_ratio")
    axis.verdict = (
        f"The wheel answers in {number(percent(share), 0)} % of starts; the braking distance is "
        f"{number(percent(ahead), 0)} % of the game's; on grass the car reaches "
        f"{number(axis.figures.get('off_road_share'))} of the speed on the road "
        f"(game {number(axis.figures.get('off_road_share_real'))})."
    )
    return axis


def _steer(axis: Axis, setting: Setting) -> None:
    # A car that hardly rolls turns too little in eight ticks to judge anything; one that slides does not answer.
    rolling = driving(12.0, 60.0, 2, 0.8)
    windows = choose_windows(setting.dataset, setting.plan.steer_starts, STEER_TICKS, setting.seed + 1, rolling)
    controls = setting.dataset.meta.controls
    dream = steer_everywhere(setting.candidate, controls, windows, seed=setting.seed, what="steering response",
                             progress=setting.progress)  # fmt: skip
    real: list[SteerTry] = []
    if setting.twin is not None:
        real = steer_everywhere(setting.twin, controls, windows[: setting.plan.steer_tracks], seed=0,
                                what="steering, real game", progress=setting.progress)  # fmt: skip
    for suffix, tries in (("", dream), ("_real", real)):
        axis.figures[f"steer_response{suffix}"] = float(np.mean([t.answered for t in tries])) if tries else None
        axis.figures[f"steer_response_tries{suffix}"] = len(tries)
    share = axis.figures["steer_response"]
    axis.rows.append(("Starts where left and right turn the scene the right way", number(share),
                      number(axis.figures["steer_response_real"])))  # fmt: skip
    axis.criteria.append(at_least("Left and right turn the scene the right way", 100 * share, 95.0, " %",
                                  len(dream) >= ENOUGH_STEERS))  # fmt: skip
    axis.plots["Steering: each point is one start; the lower right quarter is the right answer."] = plots.plot_steering(
        [(t.left, t.right) for t in dream], [(t.left, t.right) for t in real]
    )
    rows = [list(t.pictures) for t in dream[:3]]
    axis.sheets["Steering: eight ticks of left, straight and right from one start."] = contact_sheet(
        rows, ["left", "straight", "right"], [f"start {i + 1}" for i in range(len(rows))]
    )


def _brake(axis: Axis, setting: Setting) -> None:
    windows = choose_windows(
        setting.dataset, setting.plan.rule_starts, 1, setting.seed + 3, driving(25.0, 70.0, 4, 0.3)
    )
    brake = setting.dataset.meta.controls.encode({"brake": 1.0})
    rate = setting.dataset.meta.tick_rate
    found = {}
    for name, side in setting.sides():
        outcome = run_script(side, windows, [brake] * BRAKE_TICKS, setting, f"braking, {name}")
        found[name] = braking_distances(outcome, rate)
    dream, real = (float(np.median(found[n])) if n in found else None for n in ("dream", "game"))
    axis.figures |= {"braking_distance": dream, "braking_distance_real": real, "braking_ratio": ratio(dream, real)}
    axis.rows.append(
        (f"Braking distance from 25 to 70 units a second, median of {len(windows)}", number(dream), number(real))
    )
    change = ratio(dream, real)
    axis.criteria.append(
        between("Braking distance over the game's", change, 0.8, 1.2, "", setting.enough(len(windows), "speed"))
    )


def braking_distances(outcome: Outcome, tick_rate: float) -> NDArray[np.float64]:
    """Game units rolled until the car counts as standing, `[W]`."""
    speed = outcome.columns["speed"].clip(0)
    rolling = np.cumprod(speed > STANDING, axis=1)
    distances: NDArray[np.float64] = (speed * rolling).sum(1) / tick_rate
    return distances


def _leave_the_road(axis: Axis, setting: Setting) -> None:
    gas = setting.dataset.meta.controls.encode({"gas": 1.0})
    reached: dict[tuple[str, str], float] = {}
    slow = {"on": driving(0.0, 12.0, 4, 0.6), "off": off_road(12.0)}
    count = 0
    for place, eligible in slow.items():
        windows = choose_windows(setting.dataset, setting.plan.rule_starts, 1, setting.seed + 4, eligible)
        count = max(count, len(windows))
        for name, side in setting.sides():
            outcome = run_script(side, windows, [gas] * GAS_TICKS, setting, f"gas {place} the road, {name}")
            reached[place, name] = float(np.median(outcome.columns["speed"][:, -5:].mean(1)))
    for name, suffix in (("dream", ""), ("game", "_real")):
        on, off = reached.get(("on", name)), reached.get(("off", name))
        axis.figures |= {
            f"on_road_speed{suffix}": on,
            f"off_road_speed{suffix}": off,
            f"off_road_share{suffix}": ratio(off, on),
        }
    for place in slow:
        key = f"{place}_road_speed"
        axis.rows.append((f"Speed after {GAS_TICKS} ticks of full gas, {place} the road", number(axis.figures[key]),
                          number(axis.figures[f"{key}_real"])))  # fmt: skip
    share, real = axis.figures["off_road_share"], axis.figures["off_road_share_real"]
    limit = 0.5 * (1 + real) if real is not None and real < 1 else 1.0
    axis.criteria.append(
        at_most("Speed off the road over speed on it", share, limit, "", setting.enough(count, "speed"))
    )


def _hold_still(axis: Axis, setting: Setting) -> None:
    # Recorded cars seldom stand, so they are stopped first.
    brake = setting.dataset.meta.controls.encode({"brake": 1.0})
    hold_still(axis, setting, driving(5.0, 70.0, 2), [brake] * BRAKE_TICKS)
