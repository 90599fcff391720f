"""What a good world must reach, line by line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Any]

WINDOWS, STEER_TRIES, PILOT_STARTS, PILOT_SECONDS = 24, 40, 12, 60.0
"""What an evaluation must have measured at least before a line is judged."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of the report's table: the figure, what it must be, and whether it is (None: not measured)."""

    title: str
    value: str
    target: str
    passed: bool | None


def judge(figures: Figures) -> list[Criterion]:
    """Every criterion, in the order of the pipeline."""
    driven = (figures.get("pilot_limit") or 0) >= PILOT_SECONDS and (figures.get("pilot_starts") or 0) >= PILOT_STARTS
    steered = (figures.get("steer_response_tries") or 0) >= STEER_TRIES
    seen = (figures.get("windows") or 0) >= WINDOWS
    return [
        _at_least("Codec floor, PSNR", figures.get("psnr_codec"), 35.0, " dB", seen),
        _at_least("Next frame: dream minus codec floor", _gap(figures, "psnr_h1", "psnr_codec"), -1.0, " dB", seen),
        _at_least(
            "16 ahead: dream minus persistence", _gap(figures, "psnr_h16", "psnr_h16_persistence"), 8.0, " dB", seen
        ),
        _at_least(
            "Left and right turn the scene the right way", _percent(figures.get("steer_response")), 95.0, " %", steered
        ),
        _at_least("Pilot, median time on the road", figures.get("pilot_seconds_median"), PILOT_SECONDS, " s", driven),
        _at_least("Pilot, drives that last", _percent(_survivors(figures)), 100 * 10 / 12, " %", driven),
        _at_least("Pilot, share of frames with |steer| > 0.1", figures.get("pilot_steer_share"), 0.10, "", driven),
        # A frozen road is easy to stay on: survival counts only where the picture moves as it does in the game.
        _at_least("Pilot, movement of the picture beside the game's", _percent(_movement(figures)), 50.0, " %", driven),
    ]


def _at_least(title: str, value: float | None, target: float, unit: str, enough: bool) -> Criterion:
    wanted = f"≥ {target:.3g}{unit}"
    if value is None:
        return Criterion(title, "not measured", wanted, None)
    if not enough:
        return Criterion(title, f"{value:.2f}{unit} (too few to judge)", wanted, None)
    return Criterion(title, f"{value:.2f}{unit}", wanted, value >= target - 1e-9)


def _gap(figures: Figures, first: str, second: str) -> float | None:
    values = (figures.get(first), figures.get(second))
    return None if values[0] is None or values[1] is None else float(values[0] - values[1])


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _movement(figures: Figures) -> float | None:
    dream, game = figures.get("pilot_frame_difference"), figures.get("pilot_frame_difference_real")
    return dream / game if dream is not None and game else None


def _survivors(figures: Figures) -> float | None:
    limit, starts = figures.get("pilot_limit"), figures.get("pilot_starts")
    reached = figures.get(f"pilot_reached_{round(limit)}s") if limit else None
    return reached / starts if reached is not None and starts else None
