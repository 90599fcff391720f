"""What an axis of an evaluation hands over: figures, what they must be, and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

Figures = Mapping[str, Any]
NOT_ENOUGH = "not enough to judge"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of the report's table: the figure, what it must be, and whether it is (None: not measured)."""

    title: str
    value: str
    target: str
    passed: bool | None


@dataclass(slots=True)
class Axis:
    """One side of a world's quality.

    `figures` go into the JSON under their keys; `verdict` is one sentence; `rows` make the table under `columns`;
    `plots` (PNG bytes), `sheets` and `clips` (WebP bytes) are shown under their captions; `files` are written beside
    the report under their names.
    """

    name: str
    title: str
    explanation: str
    figures: dict[str, Any] = field(default_factory=dict)
    criteria: list[Criterion] = field(default_factory=list)
    verdict: str = ""
    columns: Sequence[str] = ()
    rows: list[Sequence[str]] = field(default_factory=list)
    plots: dict[str, bytes] = field(default_factory=dict)
    sheets: dict[str, Image.Image] = field(default_factory=dict)
    clips: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def at_least(
    title: str, value: float | None, target: float, unit: str = "", enough: bool = True, doubt: str = NOT_ENOUGH
) -> Criterion:
    """A figure that must not be below `target`; `enough` says whether it rests on enough evidence to be judged, `doubt`
    what it lacks where it does not."""
    holds = value is not None and value >= target - 1e-9
    return _judge(title, value, f"≥ {target:.3g}{unit}", unit, enough, holds, doubt)


def at_most(title: str, value: float | None, target: float, unit: str = "", enough: bool = True) -> Criterion:
    """A figure that must not be above `target`."""
    return _judge(title, value, f"≤ {target:.3g}{unit}", unit, enough, value is not None and value <= target + 1e-9)


def between(title: str, value: float | None, low: float, high: float, unit: str = "", enough: bool = True) -> Criterion:
    """A figure that must lie between two."""
    holds = value is not None and low - 1e-9 <= value <= high + 1e-9
    return _judge(title, value, f"{low:.3g} to {high:.3g}{unit}", unit, enough, holds)


def _judge(
    title: str, value: float | None, wanted: str, unit: str, enough: bool, holds: bool, doubt: str = NOT_ENOUGH
) -> Criterion:
    if value is None:
        return Criterion(title, "not measured", wanted, None)
    shown = f"{value:.3g}{unit}" if abs(value) >= 100 or abs(value) < 0.1 else f"{value:.2f}{unit}"
    return Criterion(title, shown if enough else f"{shown} ({doubt})", wanted, holds if enough else None)


def percent(share: float | None) -> float | None:
    """0…1 → 0…100; None stays None."""
    return None if share is None else 100 * share


def number(value: float | None, digits: int = 2, unit: str = "") -> str:
    """A figure for a table; a dash where there is none."""
    if value is None:
        return "—"
    return f"{value}{unit}" if isinstance(value, int) else f"{value:.{digits}f}{unit}"
