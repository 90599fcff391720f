"""The whole answer to "so many players: how many devices, how do they play, what does it cost?"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dreamcade.cluster.calibration import Calibration
from dreamcade.cluster.devices import DeviceGroup, devices_text
from dreamcade.cluster.plan import Plan
from dreamcade.cluster.planner import plan
from dreamcade.cluster.workload import Workload
from dreamcade.evaluation.simulation.crowd import diurnal
from dreamcade.evaluation.simulation.day import Day, play_of, simulate_day
from dreamcade.evaluation.simulation.fleet import Terms
from dreamcade.evaluation.simulation.objective import Objective
from dreamcade.evaluation.simulation.pipelines import Stages, clocked, pipelines
from dreamcade.evaluation.simulation.playing import Audience, Window
from dreamcade.evaluation.simulation.sizing import Progress, Size, fewest

REVIEW = 10.0
"""Seconds between two reviews of the fleet in a simulated day."""


@dataclass(frozen=True)
class Asked:
    """The question. `prices`: of a device of each kind for an hour, in euros. `losses_a_day`: of each replica."""

    workload: Workload
    devices: tuple[DeviceGroup, ...]
    plans: Sequence[Plan]
    calibration: Calibration | None = None
    players: int = 1
    objective: Objective = field(default_factory=Objective)
    audience: Audience = field(default_factory=Audience)
    window: Window = field(default_factory=Window)
    stages: Stages = field(default_factory=Stages)
    prices: Mapping[str, float] = field(default_factory=dict)
    losses_a_day: float = 0.0


@dataclass(frozen=True)
class Answer:
    """`sizes`: best first; `day`: of the best, autoscaled, None where not even one player is played as was asked."""

    asked: Asked
    sizes: Sequence[Size]
    day: Day | None

    @property
    def best(self) -> Size:
        return self.sizes[0]

    @property
    def devices_there(self) -> int:
        return sum(group.count for group in self.asked.devices)

    def to_json(self) -> dict[str, Any]:
        """Reproducible: nothing in it depends on the machine that simulated, but for `speed`."""
        asked, best = self.asked, self.best
        events = best.events + sum(size.trials.events for size in self.sizes)
        seconds = best.seconds + sum(size.trials.seconds for size in self.sizes)
        return {
            "workload": asked.workload.name, "players": asked.players, "devices": devices_text(asked.devices),
            "objective": {
                "latency_p95_ms": asked.objective.latency_ms, "misses": asked.objective.misses,
                "fps_share": asked.objective.fps_share, "tick_rate": best.pipeline.service.tick_rate,
            },
            "window": {"seconds": asked.window.seconds, "seed": asked.window.seed},
            "spread": asked.stages.spread,
            "changes_a_second": asked.audience.habits.changes,
            "sizes": [size.to_json(asked.players, asked.prices) for size in self.sizes],
            "day": self._day(),
            "speed": {"events": events, "seconds": seconds},
        }  # fmt: skip

    def _day(self) -> dict[str, Any] | None:
        day = self.day
        if day is None:
            return None
        price = self.best.price_an_hour(self.asked.prices)
        each = None if price is None else price / self.best.replicas
        hours = day.device_hours / day.devices_each
        return {
            "visits": day.visits, "refused": day.tallies.refused, "moved": day.tallies.moved,
            "losses": day.tallies.losses, "started": day.tallies.started, "device_hours": day.device_hours,
            "player_hours": day.player_hours,
            "most_waited_seconds": max(day.tallies.waited, default=0.0),
            "price": None if each is None else each * hours,
            "price_per_player_hour": None if each is None else each * hours / day.player_hours,
            "play": play_of(day, self.best.trials),
            "history": [list(row) for row in day.tallies.history[:: max(1, len(day.tallies.history) // 288)]],
        }  # fmt: skip


def answer(asked: Asked, progress: Progress | None = None) -> Answer:
    """Sizes every promising layout for the players, and lets the best live through a day of them (at most so many at a
    time). Raises `BadInputError` as the planner and the simulations do."""
    workload, plans = clocked(asked.workload, asked.devices, asked.calibration, asked.stages.rate), asked.plans
    if workload is not asked.workload:  # plans for a pace tell how many players they carry
        latency = asked.objective.latency_ms
        plans = plan(workload, asked.devices, asked.calibration, players=asked.players, latency_ms=latency)
    found = pipelines(workload, plans, asked.devices, asked.calibration, asked.stages, asked.audience.habits)
    sizes = fewest(
        found, asked.players, asked.objective, asked.audience, asked.window, asked.prices, progress
    )  # fmt: skip
    if not sizes[0].replicas:
        return Answer(asked, sizes, None)
    progress = progress or (lambda what, done, total: None)
    progress("a day of them", 0, 1)
    day = _day_of(asked, sizes[0])
    progress("a day of them", 1, 1)
    return Answer(asked, sizes, day)


def _day_of(asked: Asked, best: Size) -> Day:
    terms = Terms(
        capacity=max(1, best.sessions), least=1, most=4 * best.replicas + 1, review=REVIEW,
        losses_a_day=asked.losses_a_day,
    )  # fmt: skip
    return simulate_day(best.pipeline.service, diurnal(asked.players), terms, asked.window.seed)
