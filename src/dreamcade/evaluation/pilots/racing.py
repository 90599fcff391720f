"""The pilot for racing: it steers to the centroid of grey ahead and keeps a moderate speed.

Its constants were tuned in the real game, where it must be a good driver before its opinion of a dream means anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.controls import Controls
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.evaluation.pilots.road import kerbs_in, read_speed, road_ahead, road_below, road_mask, trace_road

KERB_SHARE = 0.0015
"""Share of red pixels, the car's left out, from which on a frame has kerbs in it."""
STEERING = 0.1
"""|steer| above this counts as steering."""
BEND_SECONDS = 0.3
"""Steering one way for at least so long is a bend."""


def bends(steer: NDArray[np.float32], tick_rate: float) -> int:
    """Stretches of at least `BEND_SECONDS` of steering to one side."""
    sides = np.sign(np.where(np.abs(steer) > STEERING, steer, 0.0))
    edges = np.flatnonzero(np.diff(np.concatenate([[np.nan], sides, [np.nan]])) != 0)
    lengths = [end - start for start, end in pairwise(edges) if sides[start]]
    return sum(bool(length >= BEND_SECONDS * tick_rate) for length in lengths)


@dataclass(frozen=True, slots=True)
class RacingPilotConfig:
    """Distances are fractions of the frame; speeds are the panel's units a second."""

    look_near: float = 0.56
    look_far: float = 0.34
    steer_gain: float = 3.0
    steer_damping: float = 1.5
    cruise_speed: float = 30.0
    bend_slowing: float = 60.0
    slowest: float = 14.0
    gas: float = 0.4
    brake: float = 0.3
    lost_ahead: float = 0.10
    lost_below: float = 0.15
    lost_frames: int = 25


class RacingPilot:
    """Call `act` with every frame; `lost` says when the road has been gone for `lost_frames` frames in a row.

    Gone means: less than 10 % of the picture ahead (`road.AHEAD`) is grey, or less than 15 % around the car
    (`road.BELOW`). Raises `BadInputError` for controls without steer, gas and brake.
    """

    can_be_lost: ClassVar[bool] = True

    def __init__(self, controls: Controls, config: RacingPilotConfig | None = None) -> None:
        missing = {"steer", "gas", "brake"} - set(controls.names)
        if missing:
            lacks = ", ".join(sorted(missing))
            raise BadInputError(f"the pilot drives with steer, gas and brake; this world lacks {lacks}")
        self.controls = controls
        self.config = config or RacingPilotConfig()
        self.frames_without_road = 0
        self._aim = 0.0
        self._kerbs: list[bool] = []

    @property
    def lost(self) -> bool:
        return self.frames_without_road >= self.config.lost_frames

    def act(self, pixels: Pixels) -> ActionVector:
        """uint8 `[H, W, 3]` → float32 `[A]`."""
        config = self.config
        mask = road_mask(pixels)
        gone = road_ahead(mask) < config.lost_ahead or road_below(mask) < config.lost_below
        self.frames_without_road = self.frames_without_road + 1 if gone else 0
        self._kerbs.append(kerbs_in(pixels) >= KERB_SHARE)
        trail = trace_road(mask)
        aim, bend = self._aim_and_bend(trail)
        steer = config.steer_gain * aim + config.steer_damping * (aim - self._aim)
        self._aim = aim
        gas, brake = self._pedals(read_speed(pixels), bend)
        return self.controls.encode({"steer": float(np.clip(steer, -1, 1)), "gas": gas, "brake": brake})

    def liveliness(self, actions: NDArray[np.float32], tick_rate: float) -> dict[str, float]:
        """`steer_share`: of the frames with |steer| > 0.1; `bends_per_minute`: stretches of steering to one side;
        `kerb_share`: of the frames with kerbs in them."""
        steer = actions[:, self.controls.names.index("steer")]
        minutes = max(len(steer) / tick_rate / 60, 1e-9)
        return {
            "steer_share": float((np.abs(steer) > STEERING).mean()) if len(steer) else 0.0,
            "bends_per_minute": bends(steer, tick_rate) / minutes,
            "kerb_share": float(np.mean(self._kerbs)) if self._kerbs else 0.0,
        }

    def _aim_and_bend(self, trail: NDArray[np.float64]) -> tuple[float, float]:
        """Offset of the road's centre from the car's axis (−0.5…0.5), and how much the road wanders ahead."""
        config = self.config
        if not len(trail):
            return self._aim, 1.0
        seen = trail[(trail[:, 0] <= config.look_near) & (trail[:, 0] >= config.look_far)]
        aim = float((seen if len(seen) else trail[-1:])[:, 1].mean()) - 0.5
        # A trail that ends early is a road that turns out of reach: as bad a bend as one that leans far over.
        unseen = max(0.0, trail[-1, 0] - config.look_far)
        bend = float(np.abs(trail[:, 1] - 0.5).max()) + unseen
        return aim, bend

    def _pedals(self, speed: float, bend: float) -> tuple[float, float]:
        config = self.config
        target = max(config.slowest, config.cruise_speed - config.bend_slowing * bend)
        if speed < target:
            return config.gas, 0.0
        return 0.0, config.brake if speed > target + 6 else 0.0
