"""What a player's fingers do, as a plan: which key goes down or comes up when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dreamcade.core.controls import Axis, Button, Controls

TAP = (0.1, 0.25)
HOLD = (0.25, 1.0)
"""Seconds that a key stays down."""


@dataclass(frozen=True, slots=True, order=True)
class KeyEvent:
    """A key, by its `KeyboardEvent.code`, goes `down` or comes up `at` seconds after the beginning."""

    at: float
    code: str
    down: bool


def plan_keys(controls: Controls, seconds: float, seed: int = 0) -> list[KeyEvent]:
    """Key events of `seconds` of play, in order; in the end every key is up.

    The first pedal is held, with short breaks; other pedals and buttons are pressed now and then; two-way axes are
    tapped and held to either side. Moments are drawn at random, so they keep no step with the world's ticks.
    """
    random = np.random.default_rng(seed)
    events: list[KeyEvent] = []
    used: set[str] = set()
    pedal_is_held = False
    everything: list[Axis | Button] = [*controls.axes, *controls.buttons]
    for control in everything:
        two_way = isinstance(control, Axis) and control.low < 0
        codes = [code for code in _first_keys(control) if code not in used]
        if not codes:
            continue
        used.update(codes)
        held = isinstance(control, Axis) and not two_way and not pedal_is_held
        pedal_is_held = pedal_is_held or held
        pause, press = ((0.15, 0.6), (2.0, 6.0)) if held else ((0.08, 0.6), HOLD) if two_way else ((1.0, 5.0), TAP)
        events += _presses(random, codes, seconds, pause, press, taps=two_way)
    return sorted(events)


def _first_keys(control: Axis | Button) -> list[str]:
    """One key for each side of a control."""
    sides = (control.negative_keys, control.positive_keys) if isinstance(control, Axis) else (control.keys,)
    return [keys[0] for keys in sides if keys]


def _presses(
    random: np.random.Generator, codes: list[str], seconds: float, pause: tuple[float, float],
    press: tuple[float, float], taps: bool,
) -> Iterator[KeyEvent]:  # fmt: skip
    """One key of `codes` after the other, until the time is over; with `taps`, half of the presses are short ones."""
    at = float(random.uniform(*pause))
    while at < seconds:
        code = codes[random.integers(len(codes))]
        end = min(seconds, at + float(random.uniform(*(TAP if taps and random.random() < 0.5 else press))))
        yield KeyEvent(at, code, True)
        yield KeyEvent(end, code, False)
        at = end + float(random.uniform(*pause))
