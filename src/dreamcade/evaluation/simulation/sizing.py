"""How many devices do so many players need, and what does that cost?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.simulation.figures import Figures
from dreamcade.evaluation.simulation.objective import Objective, Trials, trial_window
from dreamcade.evaluation.simulation.pipelines import Pipeline
from dreamcade.evaluation.simulation.playing import Audience, Window, simulate

Progress = Callable[[str, int, int], None]
PATIENCE = 4
"""How often a few replicas are added where all of them together did not do as one alone had promised."""


@dataclass(frozen=True)
class Size:
    """`replicas` of a pipeline for all players, each with up to `sessions`. `figures`: of all of them together where
    that is `confirmed`, else of one that is as full as it may be; none of them: of one player, who does not get what
    the objective asks for (`why`)."""

    pipeline: Pipeline
    sessions: int
    replicas: int
    figures: Figures
    trials: Trials
    why: str = ""
    confirmed: bool = False
    events: int = 0
    seconds: float = 0.0

    @property
    def devices(self) -> int:
        return self.replicas * self.pipeline.layout.devices

    def price_an_hour(self, prices: Mapping[str, float]) -> float | None:
        """Of all its devices; None where a kind has no price."""
        kinds = self.pipeline.kinds
        if not set(kinds) <= set(prices):
            return None
        return self.replicas * sum(count * prices[name] for name, count in kinds.items())

    def to_json(self, players: int, prices: Mapping[str, float]) -> dict[str, Any]:
        price = self.price_an_hour(prices)
        return {
            "pipeline": self.pipeline.name, "layout": self.pipeline.layout.to_json(),
            "kinds": dict(self.pipeline.kinds), "sessions_per_replica": self.sessions, "replicas": self.replicas,
            "devices": self.devices, "devices_per_100_players": 100 * self.devices / players if self.replicas else None,
            "price_an_hour": price, "price_per_player_hour": None if price is None else price / players,
            "figures": self.figures.to_json(), "confirmed": self.confirmed, "why_not": self.why,
            "by_sessions": {str(n): self.trials.known[n].to_json() for n in sorted(self.trials.known)},
        }  # fmt: skip


def fewest(
    pipelines: Sequence[Pipeline], players: int, objective: Objective, audience: Audience, window: Window,
    prices: Mapping[str, float] | None = None, progress: Progress | None = None,
) -> list[Size]:  # fmt: skip
    """Of each pipeline as few replicas as keep the objective for `players`; those with fewest devices first, or, where
    all have prices, the cheapest. The first has been simulated with all its players, the others by one replica."""
    if players < 1:
        raise BadInputError(f"a simulation needs at least 1 player; got {players}")
    progress = progress or (lambda what, done, total: None)

    def rank(size: Size) -> tuple[bool, float, int]:
        price = size.price_an_hour(prices or {})
        return not size.replicas, size.devices if price is None else price, size.devices

    sizes = []
    for number, pipeline in enumerate(pipelines):
        progress("one replica of each layout", number, len(pipelines))
        sizes.append(_by_one_replica(pipeline, players, objective, audience, window))
        progress("one replica of each layout", number + 1, len(pipelines))
    sizes.sort(key=rank)
    while sizes[0].replicas and not sizes[0].confirmed:
        what = f"{players} players on {sizes[0].devices} devices"
        progress(what, 0, 1)
        sizes[0] = _confirm(sizes[0], players, objective)
        progress(what, 1, 1)
        sizes.sort(key=rank)
    return sizes


def _by_one_replica(pipeline: Pipeline, players: int, objective: Objective, audience: Audience, window: Window) -> Size:
    trials = Trials(pipeline.service, audience, window)
    sessions = trials.most(objective, min(pipeline.most, players))
    if not sessions:
        why = objective.broken(trials.of(1), pipeline.service.tick_rate) or ""
        return Size(pipeline, 0, 0, trials.of(1), trials, f"one player alone: {why}")
    replicas = -(-players // sessions)
    return Size(pipeline, -(-players // replicas), replicas, trials.of(sessions), trials)


def _confirm(size: Size, players: int, objective: Objective) -> Size:
    """All replicas together, and a few more of them where they do not do as one alone had promised."""
    replicas, service, trials = size.replicas, size.pipeline.service, size.trials
    for _ in range(PATIENCE + 1):
        window = trial_window(trials.window, players)
        outcome = simulate(service, players, replicas, trials.audience, window)
        why = objective.broken(outcome.figures, service.tick_rate)
        if why is None:
            break
        replicas += max(1, replicas // 25)
    return dataclasses.replace(
        size, sessions=-(-players // replicas), replicas=replicas, figures=outcome.figures, why=why or "",
        confirmed=True, events=outcome.events, seconds=outcome.seconds,
    )  # fmt: skip
