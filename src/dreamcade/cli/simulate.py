"""`dreamcade plan --simulate`: the answer that a plan alone does not give."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamcade.core.errors import BadInputError, UnknownNameError

if TYPE_CHECKING:
    from dreamcade.cluster.report import PlanReport
    from dreamcade.evaluation.simulation.answer import Answer

MOST_PRICE = 1e6


def parse_prices(prices: list[str], kinds: list[str]) -> dict[str, float]:
    """`h200=3.5` → euros an hour by kind. Raises `UnknownNameError` for a kind that is not among the devices, and
    `BadInputError` for what is no price."""
    found: dict[str, float] = {}
    for text in prices:
        name, equals, number = (part.strip() for part in text.partition("="))
        try:
            price = float(number)
        except ValueError:
            price = -1.0
        if not name or not equals or not 0 <= price <= MOST_PRICE:
            raise BadInputError(f"a price is KIND=EUROS an hour, as in --price h200=3.50; got {text!r}")
        if name not in kinds:
            raise UnknownNameError("device kind among --devices", name, kinds)
        found[name] = price
    return found


def simulate_report(
    report: PlanReport, *, seconds: float, seed: int, prices: dict[str, float], misses: float = 0.01,
    losses_a_day: float = 0.0, foreseen: list[dict[str, Any]] | None = None,
) -> Answer:  # fmt: skip
    """Simulates what a plan's report was asked for; `foreseen`: the predictor's rows of the world's card, none: of
    `racing`."""
    from dreamcade.cli.stage_bars import stage_bars
    from dreamcade.evaluation.simulation.answer import Asked, answer
    from dreamcade.evaluation.simulation.hands import KEYS, Foreseen
    from dreamcade.evaluation.simulation.objective import Objective
    from dreamcade.evaluation.simulation.playing import Audience, Window

    asked = Asked(
        report.workload, report.devices, report.plans, report.calibration, report.players,
        Objective(report.latency_ms, misses), Audience(chances=Foreseen.of_card(foreseen) if foreseen else KEYS),
        Window(seconds, seed=seed), prices=prices, losses_a_day=losses_a_day,
    )  # fmt: skip
    with stage_bars() as progress:
        return answer(asked, progress)


def simulated_lines(found: Answer) -> list[str]:
    """For people."""
    from dreamcade.evaluation.simulation.table import answer_lines

    return answer_lines(found.to_json())


def draw_simulated(found: Answer, file: Path) -> None:
    """Into a PNG beside its place, then renamed."""
    from dreamcade.core.files import atomic_path
    from dreamcade.evaluation.simulation.plots import plot_answer

    png = plot_answer(found.to_json())
    with atomic_path(file) as temporary:
        temporary.write_bytes(png)
