"""What a simulation says: the figures that an operator, and a player, would ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dreamcade.evaluation.simulation.record import Record
from dreamcade.evaluation.simulation.replica import Replica
from dreamcade.evaluation.simulation.service import Service

SHARES = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Work:
    """Seconds that a replica's stages have worked, for ticks and for drafts; encoding, for both."""

    dynamics: float
    dynamics_drafts: float
    decoder: float
    decoder_drafts: float
    encoding: float

    @classmethod
    def of(cls, replica: Replica) -> Work:
        dynamics, decoders = replica.dynamics, [one for one in replica.decoders if one is not replica.dynamics]
        drawn, drafted = sum(one.ticks for one in decoders), sum(one.drafts for one in decoders)
        return cls(dynamics.ticks, dynamics.drafts, drawn, drafted, replica.encoded)

    def __sub__(self, other: Work) -> Work:
        mine, theirs = asdict(self), asdict(other)
        return Work(**{name: mine[name] - theirs[name] for name in mine})


@dataclass(frozen=True, slots=True)
class Figures:
    """`fps` frames a second of each player, on average; `fps_p5`: 95 % get more. `misses`: the share of ticks whose
    frame the player did not get (skipped, or replaced by a newer one before it was drawn). Latencies in milliseconds,
    from a change of the controls at the hand to its frame, encoded and at the player: no browser, and the network only
    where it was asked for. `effective_ms`: from the tick taking its input to the picture, over all frames, drafted ones
    too. `hit_rate`: of the ticks that had drafts; `delivered`, `extrapolated`: of all ticks. Of the window, the stages
    work for ticks (`dynamics`, `decoder`) and for drafts; on a shared device all is the dynamics'. `encoding`: of the
    time of those that encode on the head's processor, threads or lanes.
    """

    players: int
    fps: float
    fps_p5: float
    misses: float
    latency_p50: float
    latency_p95: float
    latency_p99: float
    effective_ms: float
    hit_rate: float
    delivered: float
    extrapolated: float
    dynamics: float
    dynamics_drafts: float
    decoder: float
    decoder_drafts: float
    encoding: float
    longest_gap: float
    """Seconds, the longest that any player waited for a frame."""

    def to_json(self) -> dict[str, Any]:
        """NaN, where there is nothing to tell, becomes null."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


def figures_of(records: Sequence[Record], works: Sequence[Work], service: Service, seconds: float) -> Figures:
    """Of all players together; `works` of every replica in a window of so many seconds."""
    rates = np.array([record.frames / seconds for record in records])
    latencies = np.concatenate([np.asarray(record.latencies) for record in records]) * 1000.0
    p50, p95, p99 = np.percentile(latencies, SHARES) if len(latencies) else (float("nan"),) * 3
    total = {
        name: sum(getattr(record, name) for record in records)
        for name in ("frames", "late", "ticks", "drafted", "missed", "extrapolated", "effective")
    }
    wide = {"dynamics": 1, "dynamics_drafts": 1, "decoder": service.decoders, "decoder_drafts": service.decoders,
            "encoding": max(service.lanes, service.encoding_threads)}  # fmt: skip
    used = {n: sum(getattr(w, n) for w in works) / (seconds * width * len(works)) for n, width in wide.items()}
    return Figures(
        players=len(records), fps=float(rates.mean()), fps_p5=float(np.percentile(rates, 5)),
        misses=_share(total["late"], total["late"] + total["frames"]),
        latency_p50=float(p50), latency_p95=float(p95), latency_p99=float(p99),
        effective_ms=1000.0 * _share(total["effective"], total["frames"]),
        hit_rate=_share(total["drafted"], total["drafted"] + total["missed"]),
        delivered=_share(total["drafted"], total["ticks"]), extrapolated=_share(total["extrapolated"], total["ticks"]),
        longest_gap=max(max(record.gap, record.end - record.last) for record in records), **used,
    )  # fmt: skip


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
