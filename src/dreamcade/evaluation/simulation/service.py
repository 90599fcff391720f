"""What a replica computes with, as far as time is concerned."""

from __future__ import annotations

from dataclasses import dataclass

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.simulation.durations import Durations, constant

NOTHING = constant(0.0)


@dataclass(frozen=True)
class Service:
    """A replica's stages; all times in seconds.

    `dynamics`: a pass over a batch, on all devices of the layout's dynamics. `decode`: a batch on one of the `lanes`
    that draw beside each other (decoder devices in turn; strips of one frame are a single, quicker lane); `encode`: a
    picture, one after the other behind its decoding. `hand_over`: from the end of a pass to the start of drawing.
    `telling`: what the loop does for one play after its frame is on its way (the predictor). `extrapolate`: a frame
    without a pass; `calm`: the share of ticks with an unchanged action that may be extrapolated, at most `most_skips`
    in a row. `blocks`: how often a pass over drafts asks whether it may go on. `shared`: one device does both stages,
    one at a time, as they come. `line`: one way over the network, if it counts.
    """

    tick_rate: float
    dynamics: Durations
    decode: Durations
    encode: Durations = NOTHING
    lanes: int = 1
    hand_over: float = 0.0
    telling: float = 0.0
    extrapolate: float = 0.0
    calm: float = 0.0
    most_skips: int = 2
    blocks: int = 10
    shared: bool = False
    speculation: bool = True
    paced: bool = True
    line: Durations | None = None
    devices: int = 1
    """Of one replica."""

    def __post_init__(self) -> None:
        if self.lanes < 1 or self.devices < 1 or self.blocks < 1:
            raise BadInputError(f"lanes, blocks and devices must be at least 1; got {self}")
        if not (0 <= self.calm <= 1 and self.hand_over >= 0 and self.telling >= 0 and self.extrapolate >= 0):
            raise BadInputError(f"calm is a share from 0 to 1, and no time is negative; got {self}")
