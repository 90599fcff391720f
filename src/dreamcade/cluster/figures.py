"""Figures that came from a file: numbers at all, finite, and not below what makes sense. No PyTorch."""

from __future__ import annotations

import math
from typing import Any

from dreamcade.core.errors import BadInputError


def expect_figure(name: str, value: Any, *, zero: bool = True, whole: bool = False) -> None:
    """Raises `BadInputError` where `value` is no finite number from 0 (with `zero`) or above it, or, with `whole`, no
    whole one. `name` says what it is, for people."""
    kinds = (int,) if whole else (int, float)
    number = isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value < 0 or (value == 0 and not zero):
        kind = "a whole number" if whole else "a number"
        raise BadInputError(f"{name} must be {kind}, {'0 or more' if zero else 'above 0'}; got {value!r}")


def expect_text(name: str, value: Any) -> None:
    """Raises `BadInputError` where `value` is no text."""
    if not isinstance(value, str):
        raise BadInputError(f"{name} must be text; got {value!r}")
