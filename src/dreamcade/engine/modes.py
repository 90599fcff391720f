"""What of the engine is switched on for a player, and what a world lacks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dreamcade.world.world import World


@dataclass(frozen=True, slots=True)
class Modes:
    """Each can be switched while a world is played."""

    pipeline: bool = True
    """A frame is drawn while the next one is dreamed; otherwise one after the other with all cores."""
    speculation: bool = True
    """Frames are drafted for the likeliest actions before the action is known."""
    extrapolation: bool = False
    """Where motion is smooth the pass is skipped. That saves work and costs some quality, within the budget of the
    calibration: it is for machines that cannot keep up otherwise, or should not have to."""
    in_between: bool = False
    """Between two ticks a frame is shown that lies between them."""


def lacking(world: World) -> dict[str, str]:
    """Modes that `world` cannot play in, each with why and which command changes that."""
    reasons = {}
    if world.predictor is None:
        reasons["speculation"] = "it has no predictor; make one with: dreamcade train predictor DATA --world DIR"
    if world.extrapolator is None:
        why = "it is not calibrated; do it with: dreamcade calibrate WORLD --data DATA --out DIR"
        reasons["extrapolation"] = reasons["in_between"] = why
    return reasons


def notes_on(lacks: Mapping[str, str]) -> tuple[str, ...]:
    """What `lacking` tells, as sentences for people."""
    reasons: dict[str, list[str]] = {}
    for mode, reason in lacks.items():
        reasons.setdefault(reason, []).append(mode.replace("_", "-"))
    return tuple(f"No {' or '.join(modes)} in this world: {reason}" for reason, modes in reasons.items())
