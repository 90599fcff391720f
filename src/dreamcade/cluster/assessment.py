"""What one layout brings: the stages' costs put together. Knows no PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dreamcade.cluster.costs import (
    Cost,
    decoder_memory,
    delivery_seconds,
    drawing_cost,
    dynamics_cost,
    dynamics_memory,
    hand_over_seconds,
)
from dreamcade.cluster.encoding import pipeline_threads
from dreamcade.cluster.layout import Decoding, Layout
from dreamcade.cluster.plan import Plan
from dreamcade.cluster.rates import Rates
from dreamcade.cluster.workload import Workload

MOST_CARRIED = 4096
"""Players of one replica that are looked for."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is planned for: a workload, its players, and how soon a frame is to be there; `overlap` as in the costs."""

    workload: Workload
    players: int = 1
    latency_ms: float | None = None
    overlap: float = 0.0


@dataclass(frozen=True, slots=True)
class Placed:
    """A layout on kinds of devices: what the slowest of each stage reaches, and, of one pipeline, how many of which."""

    layout: Layout
    dit: Rates
    decoder: Rates
    dit_kinds: Mapping[str, int] = field(default_factory=dict)
    decoder_kinds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assessment:
    """Of one replica with so many players. Seconds: `passes` with no frame extrapolated, `drawing` from the first
    frame's start to the last one's end; `paces` by stage: how often each can be given a new tick, and which holds back.
    """

    passes: Cost
    drawing: Cost
    hand_over: float
    paces: Mapping[str, float]
    slowest: str
    without_skips: float
    """Seconds a tick if nothing were extrapolated."""
    latency: float
    dit_memory: float
    decoder_memory: float
    dit_pace: float
    """Seconds that a tick takes the dynamics, frames that are extrapolated counted in; `decoder_pace`: the decoder."""
    decoder_pace: float

    @property
    def tick(self) -> float:
        """Seconds from one frame to the next."""
        return self.paces[self.slowest]


DIT, DECODER, HAND_OVER, BOTH = "DiT", "decoder", "hand-over", "DiT and decoder on one device"
ENCODING = "encoding"
SHARED, BEHIND = ", one device for both", "; behind it "
"""In the words of what holds a layout back: the end of those of a shared device, and between the tick rate and what
would be next."""


def assess(question: Question, placed: Placed, players: int) -> Assessment:
    """One replica of a layout with so many players of its own."""
    workload, layout = question.workload, placed.layout
    passes = dynamics_cost(workload, placed.dit, layout.dit_devices, players, question.overlap)
    strips = layout.decoder_devices if layout.decoding == Decoding.SPATIAL else 1
    artists = layout.decoder_devices // strips
    at_once = -(-players // artists)
    drawing = drawing_cost(workload, placed.decoder, at_once, strips)
    pace = drawing.total * players / (artists * at_once)
    host = placed.dit.kind.host  # then the core that computes encodes, too
    own = players * placed.dit.encode if host else 0.0
    encoding = 0.0 if host else encoding_pace(placed, players, drawing.total)
    made = passes.total * (1 - workload.skip)
    hold_dit = dynamics_memory(workload, layout.dit_devices, players)
    hold_decoder = decoder_memory(workload, at_once, strips)
    if layout.shared:
        paces = {BOTH: made + pace + own, ENCODING: encoding}
        return Assessment(
            passes, drawing, 0.0, paces, _slowest(paces), max(passes.total + pace + own, encoding),
            passes.total + drawing.total, hold_dit + hold_decoder, hold_dit + hold_decoder, made, pace,
        )  # fmt: skip
    between = placed.dit, placed.decoder
    hand_over = hand_over_seconds(workload, *between, players, layout.pipeline_devices)
    delivery = delivery_seconds(workload, *between, at_once, layout.pipeline_devices)
    paces = {DIT: made + own, DECODER: pace, HAND_OVER: hand_over, ENCODING: encoding}
    latency = passes.total + hand_over + drawing.total + delivery
    without = max(passes.total + own, pace, hand_over, encoding)
    return Assessment(
        passes, drawing, hand_over, paces, _slowest(paces), without, latency, hold_dit, hold_decoder, made + own, pace
    )  # fmt: skip


def encoding_pace(placed: Placed, players: int, drawing: float) -> float:
    """Seconds a tick that a processor beside the devices needs for its pictures. Whoever draws a batch, in `drawing`
    seconds, waits until all of it is encoded; one batch more than there are decoders can be on its way."""
    layout = placed.layout
    threads = pipeline_threads(placed.dit.kind, layout.pipeline_devices)
    artists = 1 if layout.decoding == Decoding.SPATIAL else layout.decoder_devices
    lanes = 1 if layout.shared else 1 + artists
    batch = -(-players // threads) * placed.dit.encode
    all_threads = players * placed.dit.encode / threads if min(players, threads) > 1 else 0.0
    return max((drawing + batch) / lanes, all_threads)


def _slowest(paces: Mapping[str, float]) -> str:
    return max(paces, key=lambda stage: paces[stage])


def shortage(placed: Placed, found: Assessment) -> str | None:
    """What is short on a device, in words; None where all fits."""
    stages = ((found.dit_memory, placed.dit, DIT), (found.decoder_memory, placed.decoder, DECODER))
    for needed, rates, stage in stages:
        if needed > rates.memory:
            what = BOTH if placed.layout.shared else f"the {stage}"
            return (
                f"{what} needs {needed / 1e9:.3g} GB on each {rates.kind.name}, of whose {rates.kind.memory / 1e9:.3g} "
                f"GB {rates.memory / 1e9:.3g} can be used: {(needed - rates.memory) / 1e9:.2g} GB are short"
            )
    return None


def in_time(question: Question, found: Assessment) -> bool:
    """Whether the tick rate and the latency objective are met."""
    return beyond(question, found) <= 1 + 1e-9


def beyond(question: Question, found: Assessment) -> float:
    """Times the tick or the latency that is allowed, whichever is more; at most 1 where both are met."""
    late = 0.0 if question.latency_ms is None else 1e3 * found.latency / question.latency_ms
    return max(late, found.tick * question.workload.tick_rate)


def carried(question: Question, placed: Placed) -> int:
    """The most players whose tick rate and latency objective one replica holds; 0 if not even one's."""

    def holds(players: int) -> bool:
        found = assess(question, placed, players)
        return in_time(question, found) and shortage(placed, found) is None

    return most(holds, MOST_CARRIED)


def most(holds: Callable[[int], bool], limit: int) -> int:
    """The largest number from 1 to `limit` that holds, where none does that is larger than one that does not; or 0."""
    if not holds(1):
        return 0
    low, high = 1, 2
    while high <= limit and holds(high):
        low, high = high, 2 * high
    high = min(high, limit + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def bottleneck(question: Question, found: Assessment) -> str:
    """What holds a layout back, in words."""
    parts = {DIT: found.passes, DECODER: found.drawing}
    if found.slowest == BOTH:
        longer = DIT if found.passes.total * (1 - question.workload.skip) >= found.drawing.total else DECODER
        words = f"{longer} {parts[longer].largest}{SHARED}"
    else:
        words = f"{found.slowest} {parts[found.slowest].largest}" if found.slowest in parts else found.slowest
    rate = question.workload.tick_rate
    return f"tick rate {rate:g}{BEHIND}{words}" if rate and found.tick * rate <= 1 else words


def plan_of(question: Question, placed: Placed, found: Assessment) -> Plan:
    """The assessment as a plan, with how many players it carries."""
    rate = question.workload.tick_rate
    carries = placed.layout.replicas * carried(question, placed) if rate else question.players
    return Plan(
        placed.layout, 1 / found.tick, 1 / found.without_skips, 1e3 * found.latency, bottleneck(question, found),
        1e3 * found.passes.total, 1e3 * found.passes.exchange, 1e3 * found.drawing.total, 1e3 * found.hand_over,
        found.dit_memory, found.decoder_memory, question.players,
        carries, in_time(question, found),
        dict(placed.dit_kinds), dict(placed.decoder_kinds), 1 / found.dit_pace, 1 / found.decoder_pace,
    )  # fmt: skip
