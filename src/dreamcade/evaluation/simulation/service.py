"""What a replica computes with, as far as time is concerned."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.simulation.durations import Durations, constant

NOTHING = constant(0.0)


@dataclass(frozen=True)
class Service:
    """A replica's stages; all times in seconds.

    `dynamics`: a pass over a batch, on all devices of the layout's dynamics. `decode`: a batch on one of the
    `decoders` (strips of a frame on several devices are a single, quicker one); `encode`: a picture, behind its
    decoding; of a batch `encoding_threads` at once, with 1 one after the other. `lanes`: batches on their way at
    once, as `Executor.lanes`. `hand_over`: to a decoder. `own_work`: what the loop's thread does for all plays of a
    tick beside the pass, after which it is counted here (the predictor, noise, books). `extrapolate`: a frame
    without a pass; `calm`: the share of ticks with an unchanged action that may be extrapolated, at most
    `most_skips` in a row. `blocks`: how often a pass over drafts asks whether it may go on. `shared`: one device
    does both stages, one at a time, as they come. `line`: one way over the network, if it counts.
    """

    tick_rate: float
    dynamics: Durations
    decode: Durations
    encode: Durations = NOTHING
    decoders: int = 1
    lanes: int = 1
    encoding_threads: int = 1
    hand_over: float = 0.0
    own_work: Durations = NOTHING
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
        if min(self.lanes, self.encoding_threads, self.decoders, self.devices, self.blocks) < 1:
            raise BadInputError(f"lanes, threads, decoders, blocks and devices must be at least 1; got {self}")
        if not (0 <= self.calm <= 1 and self.hand_over >= 0 and self.extrapolate >= 0):
            raise BadInputError(f"calm is a share from 0 to 1, and no time is negative; got {self}")


def busy_of(service: Service, sessions: int) -> float:
    """The share of a tick period that the slowest stage works for so many sessions' ticks, by the means and without
    drafts."""
    if not sessions:
        return 0.0
    passes = service.dynamics.mean(sessions) * (1 - service.calm) + sessions * service.calm * service.extrapolate
    drawing = service.decode.mean(ceil(sessions / service.decoders))
    rounds, encode = ceil(sessions / service.encoding_threads), service.encode.mean(1)
    lane = (drawing + rounds * encode) / service.lanes
    encoding = sessions * encode / service.encoding_threads if min(sessions, service.encoding_threads) > 1 else 0.0
    stages = [passes + drawing] if service.shared else [passes, drawing]
    return max(*stages, lane, encoding, passes + service.own_work.mean(sessions)) * service.tick_rate
