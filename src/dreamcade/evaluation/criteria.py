"""What a good world must reach, line by line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of the report's table: the figure, what it must be, and whether it is (None: not measured)."""

    title: str
    value: str
    target: str
    passed: bool | None


def judge(figures: Figures) -> list[Criterion]:
    """Every criterion, in the order of the pipeline."""
    limit = figures.get("pilot_limit")
    return [
        _at_least("Codec floor, PSNR", figures.get("psnr_codec"), 35.0, " dB"),
        _at_least("Next frame: dream minus codec floor", _gap(figures, "psnr_h1", "psnr_codec"), -1.0, " dB"),
        _at_least("16 ahead: dream minus persistence", _gap(figures, "psnr_h16", "psnr_h16_persistence"), 8.0, " dB"),
        _at_least("Left and right turn the scene the right way", _percent(figures.get("steer_response")), 95.0, " %"),
        _at_least("Pilot, median time on the road", figures.get("pilot_seconds_median"), limit, " s"),
        _at_least("Pilot, drives that last", _percent(_survivors(figures)), 100 * 10 / 12, " %"),
        _at_least("Pilot, share of frames with |steer| > 0.1", figures.get("pilot_steer_share"), 0.10, ""),
        # A frozen road is easy to stay on: survival counts only where the picture moves as it does in the game.
        _at_least("Pilot, movement of the picture beside the game's", _percent(_movement(figures)), 50.0, " %"),
    ]


def _at_least(title: str, value: float | None, target: float | None, unit: str) -> Criterion:
    if value is None or target is None:
        return Criterion(title, "not measured", "—" if target is None else f"≥ {target:.3g}{unit}", None)
    return Criterion(title, f"{value:.2f}{unit}", f"≥ {target:.3g}{unit}", value >= target - 1e-9)


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
