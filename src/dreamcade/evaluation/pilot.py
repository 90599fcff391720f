"""A driver that sees only the picture: it steers to the centroid of grey ahead and keeps a moderate speed.

The same pilot, with the same constants, drives the dream and the real game; it reads no state. They were tuned in
the real game, where it must be a good driver before its opinion of a dream means anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.controls import Controls
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.evaluation.road import read_speed, road_ahead, road_below, road_mask, trace_road


@dataclass(frozen=True, slots=True)
class PilotConfig:
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


class Pilot:
    """Call `act` with every frame; `lost` says when the road has been gone for `lost_frames` frames in a row.

    Gone means: less than 10 % of the picture ahead (`road.AHEAD`) is grey, or less than 15 % around the car
    (`road.BELOW`). Raises `BadInputError` for controls without steer, gas and brake.
    """

    def __init__(self, controls: Controls, config: PilotConfig | None = None) -> None:
        missing = {"steer", "gas", "brake"} - set(controls.names)
        if missing:
            lacks = ", ".join(sorted(missing))
            raise BadInputError(f"the pilot drives with steer, gas and brake; this world lacks {lacks}")
        self.controls = controls
        self.config = config or PilotConfig()
        self.frames_without_road = 0
        self._aim = 0.0

    @property
    def lost(self) -> bool:
        return self.frames_without_road >= self.config.lost_frames

    def act(self, pixels: Pixels) -> ActionVector:
        """uint8 `[H, W, 3]` → float32 `[A]`."""
        config = self.config
        mask = road_mask(pixels)
        gone = road_ahead(mask) < config.lost_ahead or road_below(mask) < config.lost_below
        self.frames_without_road = self.frames_without_road + 1 if gone else 0
        trail = trace_road(mask)
        aim, bend = self._aim_and_bend(trail)
        steer = config.steer_gain * aim + config.steer_damping * (aim - self._aim)
        self._aim = aim
        gas, brake = self._pedals(read_speed(pixels), bend)
        return self.controls.encode({"steer": float(np.clip(steer, -1, 1)), "gas": gas, "brake": brake})

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
