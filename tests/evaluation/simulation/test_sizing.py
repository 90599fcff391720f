"""From a planner's layouts to how many of them so many players need."""

from __future__ import annotations

import dataclasses

import pytest

from dreamcade.cluster.devices import parse_devices, with_host_cores
from dreamcade.cluster.planner import plan
from dreamcade.cluster.workload import Workload
from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.simulation.answer import Answer, Asked, answer
from dreamcade.evaluation.simulation.durations import constant
from dreamcade.evaluation.simulation.objective import Objective, Trials
from dreamcade.evaluation.simulation.pipelines import clocked, pipelines
from dreamcade.evaluation.simulation.playing import Audience, Window
from dreamcade.evaluation.simulation.plots import plot_answer
from dreamcade.evaluation.simulation.service import NOTHING, Service, busy_of
from dreamcade.evaluation.simulation.table import answer_lines

WINDOW = Window(2.0, 0.5)
WORLD = Workload(
    "toy", 640, 360, 240, 8, 32, 8, 2, 8, "spatial", token_flops=4e10, head_flops=2e9, frame_flops=1e8,
    weight_bytes=2e8, cache_bytes=1e6, token_bytes=1e8, dit_activation_bytes=2e7, launches=120, frame_launches=20,
    exchanges=17, exchange_bytes=1e6, latent_bytes=1e4, decoder_flops=3e10, decoder_bytes=2e8, decoder_weight_bytes=1e8,
    decoder_activation_bytes=5e7, decoder_launches=40, decoder_rows=8, tick_rate=25.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def found() -> Answer:
    devices = parse_devices("rtx-3060:12")
    plans = plan(WORLD, devices, players=60)
    return answer(Asked(WORLD, devices, plans, players=60, window=WINDOW, prices={"rtx-3060": 0.1}))


def test_the_best_is_the_cheapest_that_keeps_the_objective_with_all_its_players(found: Answer) -> None:
    best = found.best
    assert best.confirmed
    assert Objective().broken(best.figures, 25.0) is None
    assert best.figures.players == 60
    assert best.sessions * best.replicas >= 60
    assert all(best.devices <= size.devices for size in found.sizes if size.replicas)
    assert best.price_an_hour({"rtx-3060": 0.1}) == pytest.approx(0.1 * best.devices)
    assert best.price_an_hour({}) is None


def test_one_player_more_on_each_replica_breaks_it_or_the_search_was_that_fine(found: Answer) -> None:
    trials = found.best.trials
    most = max(n for n, figures in trials.known.items() if Objective().broken(figures, 25.0) is None)
    over = trials.of(round(1.3 * most) + 1)
    assert Objective().broken(over, 25.0) is not None


def test_a_day_of_it_holds_fewer_devices_than_its_peak_needs(found: Answer) -> None:
    day = found.day
    assert day is not None
    assert 0 < day.device_hours < 24 * found.best.devices * 1.5
    assert day.player_hours == pytest.approx(60 * 24 * 0.575, rel=0.25), "the mean of a day's curve"
    assert day.tallies.refused <= 0.02 * day.visits


def test_it_is_told_in_words_numbers_and_pictures(found: Answer) -> None:
    data = found.to_json()
    assert data["sizes"][0]["price_per_player_hour"] == pytest.approx(0.1 * found.best.devices / 60)
    text = "\n".join(answer_lines(data))
    assert f"{found.best.devices} devices as {found.best.replicas} ×" in text
    assert "EUR an hour" in text
    pytest.importorskip("matplotlib")
    assert plot_answer(data).startswith(b"\x89PNG")


def test_where_nobody_can_play_it_says_why() -> None:
    devices = parse_devices("cpu-core:2")
    plans = plan(WORLD, devices, players=1)
    none = answer(Asked(WORLD, devices, plans, players=4, window=WINDOW))
    assert none.best.replicas == 0
    assert none.day is None
    lines = answer_lines(none.to_json())
    assert "No layout on these devices gives even one player what was asked for." in lines
    assert any("one player alone:" in line for line in lines)


def test_a_replica_computes_with_the_planners_times() -> None:
    devices = parse_devices("h200:4")
    plans = plan(WORLD, devices, players=8)
    chosen = pipelines(WORLD, plans, devices)
    assert len({pipeline.name for pipeline in chosen}) == len(chosen)
    for pipeline in chosen:
        assert pipeline.service.dynamics.mean(1) == pytest.approx(pipeline.predicted.dit_ms / 1e3)
        assert pipeline.service.devices == sum(pipeline.kinds.values())
        assert pipeline.service.lanes == (1 if pipeline.layout.shared else pipeline.service.decoders + 1)


def test_planner_and_simulator_agree_on_what_encoding_lets_a_gpu_carry() -> None:
    """Of players whose next action nobody predicts; the simulator's stages vary, the planner's do not."""
    for cores in (3.0, 4.0):
        devices = with_host_cores(parse_devices("h200:1"), cores)
        one = plan(WORLD, devices, players=24)[0]
        assert one.bottleneck.endswith("encoding")
        service = pipelines(WORLD, [one], devices)[0].service
        assert service.encoding_threads == max(1, cores - 2)
        quiet = dataclasses.replace(service, own_work=NOTHING, speculation=False)
        simulated = Trials(quiet, Audience(), WINDOW).most(Objective())
        assert 0.75 * one.carries <= simulated <= 1.05 * one.carries


def test_what_has_no_clock_gets_one_that_the_best_plan_keeps() -> None:
    devices = parse_devices("rtx-3060:4")
    without = dataclasses.replace(WORLD, tick_rate=0.0)
    assert clocked(WORLD, devices) is WORLD
    assert clocked(without, devices, rate=7.5).tick_rate == 7.5
    rate = clocked(without, devices).tick_rate
    best = max(found.fps_without_extrapolation for found in plan(without, devices))
    assert rate == min(30, int(0.9 * best))
    found = answer(Asked(without, devices, plan(without, devices), window=WINDOW))
    assert found.best.pipeline.service.tick_rate == rate
    assert found.best.replicas == 1, "one player is what it was chosen for"


def test_the_search_finds_what_a_deterministic_stage_can_carry() -> None:
    served = Service(25.0, constant(0.010, each=0.002), constant(0.001, each=0.0001), speculation=False, lanes=2)
    assert busy_of(served, 16) == pytest.approx(1.0)
    assert Trials(served, Audience(), WINDOW).most(Objective()) == 16


def test_a_latency_objective_limits_what_a_replica_is_given() -> None:
    served = Service(25.0, constant(0.010, each=0.002), constant(0.001, each=0.0001), speculation=False, lanes=2)
    trials = Trials(served, Audience(), WINDOW)
    strict = trials.most(Objective(latency_ms=55.0))
    assert strict < 16
    assert trials.of(strict).latency_p95 <= 55.0
    with pytest.raises(BadInputError, match="latency objective"):
        Objective(latency_ms=0.0)
