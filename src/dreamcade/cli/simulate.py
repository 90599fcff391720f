"""`dreamcade plan --simulate`: what a plan alone does not tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dreamcade.core.errors import BadInputError, UnknownNameError

if TYPE_CHECKING:
    from dreamcade.cluster.report import PlanReport
    from dreamcade.evaluation.simulation.answer import Answer


def parse_prices(prices: Sequence[str], kinds: Sequence[str]) -> dict[str, float]:
    """`h200=3.5` → euros an hour by kind. Raises `UnknownNameError` for a kind that is not among the devices, and
    `BadInputError` for what is no price."""
    found: dict[str, float] = {}
    for text in prices:
        name, equals, number = (part.strip() for part in text.partition("="))
        try:
            price = float(number)
        except ValueError:
            price = math.nan
        if not name or not equals or not 0 <= price < math.inf:
            raise BadInputError(f"a price is KIND=EUR for an hour, as in --price h200=3.50; got {text!r}")
        if name not in kinds:
            raise UnknownNameError("device kind of --price", name, kinds)
        found[name] = price
    return found


def simulate_report(
    report: PlanReport, world: str | None, *, seconds: float = 10.0, seed: int = 0, prices: Sequence[str] = (),
    misses: float = 0.01, losses_a_day: float = 0.0,
) -> Answer:  # fmt: skip
    """Simulates what a plan's report was asked for; of a `world`, how well players are foreseen stands in its card.

    Raises `BadInputError` for a price, a time or a share that cannot be.
    """
    from dreamcade.cli.stage_bars import stage_bars
    from dreamcade.evaluation.simulation.answer import Asked, answer
    from dreamcade.evaluation.simulation.objective import Objective
    from dreamcade.evaluation.simulation.pipelines import Stages
    from dreamcade.evaluation.simulation.playing import Audience, Window

    kinds = [group.kind.name for group in report.devices]
    chances = _foreseen(world)
    asked = Asked(
        report.workload, report.devices, report.plans, report.calibration, report.players,
        Objective(report.latency_ms, misses), Audience(chances=chances), Window(seconds, seed=seed),
        Stages(speculation=bool(chances.same[0])), parse_prices(prices, kinds), losses_a_day,
    )  # fmt: skip
    with stage_bars() as progress:
        return answer(asked, progress)


def simulated_lines(found: Answer) -> list[str]:
    """For people."""
    from dreamcade.evaluation.simulation.table import answer_lines

    return answer_lines(found.to_json())


def simulation_png(found: Answer) -> bytes:
    """The plots. Raises `MissingExtraError` without matplotlib."""
    from dreamcade.evaluation.simulation.plots import plot_answer

    return plot_answer(found.to_json())


def _foreseen(world: str | None) -> Any:
    """From the world's card; a preset is taken to be foreseen like `racing`, a world without a predictor never."""
    from dreamcade.evaluation.simulation.hands import KEYS, NEVER, Foreseen
    from dreamcade.world.world import World

    if world is None:
        return KEYS
    rows = World.load(world).manifest.card.get("predictor")
    return Foreseen.of_card(rows) if rows else NEVER
