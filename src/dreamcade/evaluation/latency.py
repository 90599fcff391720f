"""From a hand to the eye: figures of the changes of the controls that a page has timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.types import Tally

STAGES = ("network", "wait", "dynamics", "decode", "encode", "unpack", "paint")
"""What passes between a key's event and the painted picture, in order."""
MEANINGS = {
    "network": "the line, both ways, and the event loops at its ends",
    "wait": "the input waits for the next tick",
    "dynamics": "the next latent, and its wait for the decoder",
    "decode": "latent to pixels",
    "encode": "pixels to JPEG",
    "unpack": "the page decodes the JPEG",
    "paint": "until the page's next rendering step is over",
}
SHARES = (50, 95, 99)
KINDS = ("computed", "extrapolated", "in_between")
NOTE = (
    "m2p (true latency): key event to the first painted picture that used it; what hand and eye feel, but for the "
    "display's own delay. effective: from the tick taking its input to the encoded picture, averaged over all frames, "
    "drafted and extrapolated ones too; amortized, no hand feels it."
)


@dataclass(frozen=True, slots=True)
class Changes:
    """Timed changes of the controls in milliseconds: `total` `[N]`, and the stages `[N]` that add up to it."""

    total: NDArray[np.float64]
    stages: Mapping[str, NDArray[np.float64]]

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]]) -> Changes:
        """The page's own records (`client/latency.js`)."""
        stages = {name: np.array([r["stages"][name] for r in records], np.float64) for name in STAGES}
        return cls(np.array([r["totalMs"] for r in records], np.float64), stages)

    def between(self, low: float, high: float) -> Changes:
        """Those whose total lies between two percentiles."""
        floor, ceiling = np.percentile(self.total, [low, high])
        kept = (self.total >= floor) & (self.total <= ceiling)
        return Changes(self.total[kept], {name: values[kept] for name, values in self.stages.items()})


def latency_figures(changes: Changes) -> dict[str, Any]:
    """p50, p95, p99 and mean of the whole (`m2p_ms_…`) and of every stage. Percentiles do not add up, means do."""
    whole = {f"m2p_ms_{name}": value for name, value in _percentiles(changes.total).items()}
    return {**whole, "stages": {name: _percentiles(values) for name, values in changes.stages.items()}}


def _percentiles(values: NDArray[np.float64]) -> dict[str, float]:
    found = np.percentile(values, SHARES)
    return {**{f"p{share}": float(at) for share, at in zip(SHARES, found, strict=True)}, "mean": float(values.mean())}


def frame_figures(frames: Sequence[Mapping[str, Any]], tally: Tally) -> dict[str, Any]:
    """How often frames came, their effective latency, and how they were made (`tally`: of the measured time only)."""
    shown = np.array([frame["shownMs"] for frame in frames])
    ready = np.array([frame["readyMs"] for frame in frames if frame["kind"] != "in between"])
    ticks = tally.computed + tally.extrapolated
    drafts = tally.drafted + tally.missed
    made = {name: getattr(tally, name) / max(1, ticks + tally.in_between) for name in KINDS}
    return {
        "fps": (len(shown) - 1) / (shown[-1] - shown[0]) * 1000.0,
        "interval_ms": _percentiles(np.diff(shown)),
        "effective_ms": float(ready.mean()),
        "shares": {**made, "drafted": tally.drafted / max(1, ticks)},
        "hit_rate": tally.drafted / drafts if drafts else None,
        "drafts_wasted": tally.wasted,
        "frames": len(frames),
    }


def latency_table(figures: Mapping[str, Any]) -> list[str]:
    """The figures as lines of text: the whole, then its stages."""
    whole = {name: figures[f"m2p_ms_{name}"] for name in ("p50", "p95", "p99", "mean")}
    rows = [("key to picture (true)", whole, ""), *((n, figures["stages"][n], MEANINGS[n]) for n in STAGES)]
    lines = [f"{'ms':<22}" + "".join(f"{name:>8}" for name in whole)]
    for name, values, meaning in rows:
        lines.append(f"{name:<22}" + "".join(f"{values[key]:>8.1f}" for key in whole) + f"   {meaning}".rstrip())
    return lines
