"""From the planner's layouts to what replicas compute with."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dreamcade.cluster.calibration import Calibration
from dreamcade.cluster.devices import DeviceGroup, DeviceKind
from dreamcade.cluster.encoding import LOCKED, pipeline_threads
from dreamcade.cluster.layout import Decoding, Layout
from dreamcade.cluster.plan import Plan
from dreamcade.cluster.planner import plan, predict
from dreamcade.cluster.rates import rates_of
from dreamcade.cluster.workload import Workload
from dreamcade.core.errors import BadInputError
from dreamcade.engine.noise import MANY
from dreamcade.evaluation.simulation.durations import Durations, Means, Modelled, constant
from dreamcade.evaluation.simulation.hands import Habits
from dreamcade.evaluation.simulation.service import Service

SPREAD = 0.1
"""Of the planner's times about their means, where nothing was measured (assumed)."""
LOOP = {1: 0.6e-3, 8: 1.1e-3, 64: 4.5e-3, 256: 16e-3, 1000: 65e-3}
"""Seconds for which so many players keep the loop's own thread in a tick, beside its passes: the predictor, which hears
it and names next actions, and the keeping of books (`benches/many_players.py racing`, one core of an AMD EPYC)."""
DRAWING_NOISE, HANDING_NOISE = 72e-6, 28e-6
"""Seconds for a player's noise: what any core can do, and what the loop's thread does itself (the same bench)."""
SKIP_SHARE = 0.15
"""What an extrapolated frame takes, of a pass (docs/latency.md: 0.08 to 0.22)."""
BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


@dataclass(frozen=True)
class Pipeline:
    """One replica's layout, on which kinds of devices, what it computes with, and how many players its memory holds."""

    layout: Layout
    kinds: Mapping[str, int]
    service: Service
    most: int
    predicted: Plan
    """By the planner, for one player."""

    @property
    def name(self) -> str:
        """As people write it: 5+3 h200, round-robin."""
        how = f", {self.layout.decoding}" if self.layout.decoder_devices > 1 else ""
        return f"{self.layout.split} {' + '.join(self.kinds)}{how}"


@dataclass(frozen=True, slots=True)
class Stages:
    """What the planner does not say. `spread` of stage times (standard deviation over mean); `rate`: ticks a second
    where the workload has none of its own (`clocked`)."""

    spread: float = SPREAD
    rate: float | None = None
    line: Durations | None = None
    speculation: bool = True


def pipelines(
    workload: Workload, plans: Sequence[Plan], devices: Sequence[DeviceGroup], calibration: Calibration | None = None,
    stages: Stages | None = None, habits: Habits | None = None, most: int = 4,
) -> list[Pipeline]:  # fmt: skip
    """At most so many of the planner's pipelines: by turns one of which a device carries most players, and one that the
    planner holds best."""
    thrifty = sorted(plans, key=lambda one: -one.carries / one.devices)
    by_shape: dict[object, Plan] = {}
    for one in itertools.chain.from_iterable(zip(thrifty, plans, strict=True)):
        shape = (one.layout.split, one.layout.decoding, *_named(one.dit_kinds), *_named(one.decoder_kinds))
        by_shape.setdefault(shape, one)
    stages, habits = stages or Stages(), habits or Habits()
    chosen = list(by_shape.values())[:most]
    return [pipeline_of(workload, one, devices, calibration, stages, habits) for one in chosen]


def clocked(
    workload: Workload,
    devices: Sequence[DeviceGroup],
    calibration: Calibration | None = None,
    rate: float | None = None,
) -> Workload:
    """With a tick rate, where it has none of its own: `rate`, or as many whole frames a second as the best plan for one
    player makes even when nothing is extrapolated, less a tenth of them for what stages vary; at most 30."""
    if workload.tick_rate:
        return workload
    if rate is None:
        best = max(found.fps_without_extrapolation for found in plan(workload, devices, calibration))
        rate = float(max(1, min(30, int(0.9 * best))))
    return dataclasses.replace(workload, tick_rate=rate)


def pipeline_of(
    workload: Workload, planned: Plan, devices: Sequence[DeviceGroup], calibration: Calibration | None, stages: Stages,
    habits: Habits,
) -> Pipeline:  # fmt: skip
    """One replica of a plan: its stage times as the planner predicts them for every size of batch that fits."""
    layout = dataclasses.replace(planned.layout, replicas=1)
    by_name = {group.kind.name: group.kind for group in devices}
    dit, decoder = _groups(planned.dit_kinds, by_name), _groups(planned.decoder_kinds, by_name)
    there = dit if layout.shared else (*dit, *decoder)
    whole = _fitting(workload, layout, there, calibration)
    round_robin = layout.decoding == Decoding.ROUND_ROBIN and layout.decoder_devices > 1
    one = dataclasses.replace(layout, decoder_devices=1) if round_robin else layout
    single = _fitting(workload, one, there, calibration) if round_robin else whole
    passes = Means({batch: found.dit_ms / 1e3 for batch, found in whole.items()})
    drawing = Means({batch: found.decoder_ms / 1e3 for batch, found in single.items()})
    rate = workload.tick_rate
    kept = max(0.05, 1 - habits.changes / rate)
    threads = pipeline_threads(dit[0].kind, layout.pipeline_devices)
    service = Service(
        rate, Modelled(passes, stages.spread), Modelled(drawing, stages.spread),
        constant(rates_of(dit[0].kind, workload, calibration).encode),
        decoders=layout.decoder_devices if round_robin else 1,
        lanes=1 if layout.shared else 1 + (layout.decoder_devices if round_robin else 1),
        encoding_threads=threads,
        hand_over=whole[1].hand_over_ms / 1e3, own_work=own_work(threads), extrapolate=SKIP_SHARE * passes(1),
        calm=min(1.0, workload.skip / kept), most_skips=10, shared=layout.shared, speculation=stages.speculation,
        line=stages.line, devices=layout.devices,
    )  # fmt: skip
    counts: dict[str, int] = {}
    for kinds in (planned.dit_kinds,) if layout.shared else (planned.dit_kinds, planned.decoder_kinds):
        for name, count in kinds.items():
            counts[name] = counts.get(name, 0) + count
    return Pipeline(layout, counts, service, max(whole), whole[1])


def own_work(threads: int) -> Durations:
    """Of the loop's thread for a tick of so many players, whose noise `threads` draw where players are many; with what
    it waits for others that hold Python's lock meanwhile."""
    noise = {players: HANDING_NOISE + DRAWING_NOISE / (threads if players >= MANY else 1) for players in LOOP}
    locked = LOCKED if threads > 1 else 0.0
    return Modelled(Means({n: seconds + n * (noise[n] + locked) for n, seconds in LOOP.items()}))


def _fitting(
    workload: Workload, layout: Layout, devices: Sequence[DeviceGroup], calibration: Calibration | None
) -> dict[int, Plan]:
    """What is predicted for rising batches, as far as memory holds them. The first error is the caller's."""
    found = {1: predict(workload, layout, devices, calibration, players=1)}
    for batch in BATCHES[1:]:
        try:
            found[batch] = predict(workload, layout, devices, calibration, players=batch)
        except BadInputError:
            break
    return found


def _groups(kinds: Mapping[str, int], by_name: Mapping[str, DeviceKind]) -> tuple[DeviceGroup, ...]:
    return tuple(DeviceGroup(by_name[name], count) for name, count in kinds.items())


def _named(kinds: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(kinds.items()))
