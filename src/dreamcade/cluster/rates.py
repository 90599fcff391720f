"""What a kind of device reaches for a workload: its data sheet, times what was measured, fitted or assumed of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from dreamcade.cluster.calibration import Calibration, KindCalibration
from dreamcade.cluster.devices import DeviceKind
from dreamcade.cluster.encoding import PER_PIXEL
from dreamcade.cluster.workload import Workload

DIT_UTILISATION = 0.48
"""Of the data sheet's FLOP/s: a pass of 9 ms where 4.3 TFLOP would take 4.35 ms, as predicted for one H200 before any
measurement (docs/performance.md)."""
DECODER_UTILISATION = 0.27
"""Likewise: drawing in 10.5 ms where 2.8 TFLOP, on fused kernels, would take 2.8 ms."""
BANDWIDTH = 0.8
"""Of the data sheet's bytes/s: what large copies reach."""
HOST = KindCalibration(dit_utilisation=0.45, decoder_utilisation=0.7)
"""Of a processor's core, as measured with the shipped worlds: 0.40 to 0.52, and 0.62 to 0.8 (docs/performance.md)."""
RESERVED = 0.08
"""Of a device's memory: driver, code, and what an allocator cannot use."""
ASSUMPTIONS = {
    "dit_utilisation": DIT_UTILISATION, "decoder_utilisation": DECODER_UTILISATION,
    "dit_bandwidth": BANDWIDTH, "decoder_bandwidth": BANDWIDTH,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of a stage on one device, measured for some batches of players; in between and beyond, straight lines."""

    batches: tuple[int, ...]
    seconds: tuple[float, ...]

    def of(self, batch: int) -> float:
        """Of so many players at once. With a single measurement, as many times it: batches then bring nothing."""
        if len(self.batches) == 1:
            return self.seconds[0] * batch / self.batches[0]
        pairs = list(zip(self.batches, self.seconds, strict=True))
        around = (pair for pair in itertools.pairwise(pairs) if batch <= pair[1][0])
        (a, at_a), (b, at_b) = next(around, (pairs[-2], pairs[-1]))
        return max(0.0, at_a + (at_b - at_a) * (batch - a) / (b - a))


@dataclass(frozen=True, slots=True)
class Rates:
    """FLOP/s and bytes/s of both stages as they are reached, and seconds of single events. `dit`, `decoder`: measured
    times of this very workload, which then count instead; of `dit`, `fixed` seconds a frame do not shrink (None: what
    every device does by count), and `exchanging` seconds a frame are spent between devices (None: by count)."""

    kind: DeviceKind
    dit_flops: float
    dit_bandwidth: float
    decoder_flops: float
    decoder_bandwidth: float
    launch: float
    link: float
    link_latency: float
    memory: float
    """Bytes that a plan may fill."""
    dit: Times | None = None
    decoder: Times | None = None
    fixed: float | None = None
    exchanging: float | None = None
    encode: float = 0.0
    """Seconds of a picture on one core of the machine's processor."""


def rates_of(kind: DeviceKind, workload: Workload, calibration: Calibration | None = None) -> Rates:
    """What `kind` reaches. Times of another workload are left aside; with other steps, they are scaled by them."""
    known = KindCalibration() if calibration is None else calibration.of(kind.name)
    share = {name: _or(getattr(known, name), assumed) for name, assumed in assumptions(kind).items()}
    own = calibration is not None and times_hold(calibration, workload)
    longer = workload.steps / known.steps if known.steps else 1.0
    return Rates(
        kind,
        kind.flops * share["dit_utilisation"],
        kind.bandwidth * share["dit_bandwidth"],
        kind.flops * share["decoder_utilisation"],
        kind.bandwidth * share["decoder_bandwidth"],
        _or(known.launch, kind.launch),
        _or(known.link, kind.link),
        _or(known.link_latency, kind.link_latency),
        kind.memory * (1 - RESERVED),
        _times(known.batches, known.dit_ms, longer) if own else None,
        _times(known.batches, known.decoder_ms, 1.0) if own else None,
        _seconds(known.dit_fixed_ms, longer) if own else None,
        _seconds(known.exchange_ms, longer) if own else None,
        known.encode_ms / 1e3 if own and known.encode_ms is not None else _encoding(workload),
    )


def _encoding(workload: Workload) -> float:
    return PER_PIXEL * workload.frame_width * workload.frame_height


def assumptions(kind: DeviceKind) -> dict[str, float]:
    """Shares of the data sheet's figures that stand in where nothing was measured."""
    if not kind.host:
        return ASSUMPTIONS
    return {name: _or(getattr(HOST, name), assumed) for name, assumed in ASSUMPTIONS.items()}


def times_hold(calibration: Calibration, workload: Workload) -> bool:
    """Whether a calibration's milliseconds are of this workload."""
    return calibration.workload == workload.name


def assumed_of(kind: DeviceKind, workload: Workload, calibration: Calibration | None = None) -> dict[str, float]:
    """Which shares of a kind's data sheet are assumptions, since nothing that was measured stands in for them."""
    known = KindCalibration() if calibration is None else calibration.of(kind.name)
    own = calibration is not None and times_hold(calibration, workload)
    timed = {"dit": bool(own and known.dit_ms), "decoder": bool(own and known.decoder_ms)}
    return {
        name: share for name, share in assumptions(kind).items()
        if getattr(known, name) is None and not timed[name.partition("_")[0]]
    }  # fmt: skip


def _or(known: float | None, assumed: float) -> float:
    return assumed if known is None else known


def _times(batches: Sequence[int], ms: Sequence[float], longer: float) -> Times | None:
    return Times(tuple(batches), tuple(longer * one / 1e3 for one in ms)) if ms else None


def _seconds(ms: float | None, longer: float) -> float | None:
    return None if ms is None else longer * ms / 1e3
