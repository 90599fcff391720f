from __future__ import annotations

import dataclasses

import pytest

from dreamcade.cluster.devices import parse_devices
from dreamcade.cluster.report import PlanReport, report
from dreamcade.evaluation.paper.presets import paper_preset
from dreamcade.evaluation.paper.workload import paper_workload
from dreamcade.evaluation.plan_subject import plan_subject
from dreamcade.evaluation.plan_table import WIDTH, plan_lines


def paper(devices: str, players: int = 1, latency_ms: float | None = None) -> PlanReport:
    workload = paper_workload(paper_preset("paper-racing"))
    return report(workload, parse_devices(devices), players=players, latency_ms=latency_ms)


@pytest.mark.parametrize(("devices", "players"), [("h200:1", 1), ("h100:8", 1), ("h200:1000", 10_000)])
def test_lines_fit_a_terminal(devices: str, players: int) -> None:
    assert max(map(len, plan_lines(paper(devices, players), 64))) <= WIDTH


def test_the_paper_s_cluster_fits_too() -> None:
    devices = parse_devices("ascend-910c:8")
    subject = plan_subject("paper-racing", devices)
    assert max(map(len, plan_lines(report(subject.workload, devices, subject.calibration), 64))) <= WIDTH


def test_columns_that_would_be_empty_are_left_out() -> None:
    one, several = ("\n".join(plan_lines(paper(devices), 8)) for devices in ("h200:1", "h200:8"))
    assert "exchange" not in one.partition("input")[0] and "exchange" in several.partition("input")[0]
    assert not any(name in several for name in ("skipped", "carries", " of  "))
    mixed = plan_lines(paper("h100:1,a100:1"), 8)
    assert any("1 h100 + 1 a100" in line for line in mixed)


def test_an_objective_that_no_plan_meets() -> None:
    asked = paper("h100:8", latency_ms=5.0)
    assert "no plan gives 1 player pixels within 5 ms; the first one comes closest" in plan_lines(asked, 8)
    assert asked.best.latency_ms == min(one.latency_ms for one in asked.plans)


def test_the_table_says_what_was_asked_and_what_is_best() -> None:
    workload = dataclasses.replace(paper_workload(paper_preset("paper-racing")), tick_rate=20.0, skip=0.3)
    asked = report(workload, parse_devices("h200:6"), latency_ms=50.0)
    lines = plan_lines(asked, 2)
    question = " ".join(lines[: lines.index("")])
    assert "paper-racing at 720x480, 1 step, 20 ticks a second, 30.0% of the frames extrapolated" in question
    assert "1 player, within 50 ms on h200:6" in question
    rows = [line for line in lines if line.startswith(asked.best.layout.split)]
    assert rows and f"{asked.best.fps:.1f}" in rows[0] and "tick rate, " in rows[0]
    assert any("assumed" in line for line in lines)
    impossible = report(
        dataclasses.replace(workload, tick_rate=1e4), parse_devices("h200:2"), latency_ms=1.0, players=2
    )
    said = "no plan gives 2 players 10000 ticks a second and pixels within 1 ms; the first one comes closest"
    assert said in plan_lines(impossible, 1)
