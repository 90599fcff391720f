"""The simulator against what must hold for any of them, and against closed forms where there are such."""

from __future__ import annotations

import dataclasses
import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamcade.core.errors import BadInputError
from dreamcade.engine import decider, schedule
from dreamcade.engine.decider import Decision, Situation
from dreamcade.evaluation.simulation import replica
from dreamcade.evaluation.simulation.durations import Means, Modelled, constant
from dreamcade.evaluation.simulation.fleet import Terms
from dreamcade.evaluation.simulation.hands import NEVER, Habits
from dreamcade.evaluation.simulation.playing import Audience, Loss, Outcome, Window, simulate
from dreamcade.evaluation.simulation.service import Service, busy_of

RATE = 25.0
UNFORESEEN = Audience(chances=NEVER)


def service(
    pass_ms: float = 8.0, draw_ms: float = 7.0, each: float = 0.35, spread: float = 0.1, **more: object
) -> Service:
    def stage(ms: float, slope: float) -> Modelled:
        return Modelled(Means({1: ms / 1e3, 2: ms * (1 + slope) / 1e3}), spread)

    given = {"encode": constant(0.0008), **more}
    return Service(RATE, stage(pass_ms, each), stage(draw_ms, 1.0), **given)  # type: ignore[arg-type]


def check(outcome: Outcome) -> None:
    """What holds for every play, whatever happens to it."""
    for play in outcome.plays:
        record = play.record
        assert record.inputs == record.answered + record.overtaken + len(play.unanswered), "an input is lost"
        assert all(latency >= 0 for latency in record.latencies), "a frame before its input"
        assert play.shown_serial <= play.serial
        assert record.drafted <= record.ticks


@settings(deadline=None, max_examples=25)
@given(
    players=st.integers(1, 12), replicas=st.integers(1, 3), pass_ms=st.floats(0.5, 60), draw_ms=st.floats(0.5, 60),
    decoders=st.integers(1, 3), shared=st.booleans(), speculation=st.booleans(), paced=st.booleans(),
    calm=st.sampled_from((0.0, 0.5)), line_ms=st.sampled_from((None, 0.0, 30.0)), seed=st.integers(0, 99),
    lost=st.booleans(),
)  # fmt: skip
def test_every_input_is_answered_or_overtaken_and_no_frame_comes_before_its_input(
    players: int, replicas: int, pass_ms: float, draw_ms: float, decoders: int, shared: bool, speculation: bool,
    paced: bool, calm: float, line_ms: float | None, seed: int, lost: bool,
) -> None:  # fmt: skip
    more = {"decoders": 1 if shared else decoders, "lanes": 1 if shared else decoders + 1}
    line = None if line_ms is None else Modelled(Means({1: line_ms / 1e3 or 1e-9}), 0.5)
    served = service(pass_ms, draw_ms, shared=shared, speculation=speculation, paced=paced, calm=calm,
                     extrapolate=0.001, hand_over=0.0005, own_work=constant(0.0002), line=line, **more)  # fmt: skip
    losses = [Loss(1.0, 0)] if lost and replicas > 1 else []
    check(simulate(served, players, replicas, window=Window(1.5, 0.5, seed), losses=losses))


def test_one_player_at_constant_times_is_the_closed_form() -> None:
    """A frame takes a pass, its drawing and its encoding. A key of the second half of a period pulls its tick to
    itself, one of the first half to the middle."""
    served = service(spread=0.0, speculation=False, extrapolate=0.0)
    audience = Audience(Habits(changes=3.0, spread=1.0, heartbeat=1e6), NEVER)
    lone = simulate(served, 1, 1, audience, Window(60.0, 2.0)).figures
    assert lone.fps == pytest.approx(RATE, rel=0.005)
    assert lone.misses == 0
    assert lone.effective_ms == pytest.approx(8 + 7 + 0.8, abs=0.01)
    period = 1000 / RATE
    waits = [period / 2 - moment if moment < period / 2 else 0.0 for moment in range(int(period))]
    assert lone.latency_p50 == pytest.approx(15.8 + sorted(waits)[len(waits) // 2], abs=2.5)
    assert lone.latency_p95 <= 15.8 + period / 2, "but for a second key after an early tick, which waits for the next"
    assert lone.dynamics == pytest.approx(0.008 * RATE, rel=0.02)
    assert lone.decoder == pytest.approx(0.007 * RATE, rel=0.02)


@pytest.mark.parametrize(("pass_ms", "draw_ms"), [(60.0, 5.0), (5.0, 60.0), (50.0, 50.0)])
def test_too_slow_a_stage_sets_the_pace_as_in_a_saturated_queue(pass_ms: float, draw_ms: float) -> None:
    served = service(pass_ms, draw_ms, spread=0.0, speculation=False, paced=False)
    figures = simulate(served, 1, 1, UNFORESEEN, Window(20.0)).figures
    assert figures.fps == pytest.approx(1000 / max(pass_ms, draw_ms + 0.8), rel=0.01)
    busiest = figures.dynamics if pass_ms > draw_ms else figures.decoder + figures.encoding
    assert busiest == pytest.approx(1.0, abs=0.03)


def test_one_device_for_both_takes_the_sum_and_two_decoders_draw_twice_as_much() -> None:
    window = Window(20.0)
    shared = service(40.0, 40.0, spread=0.0, speculation=False, paced=False, shared=True, encode=constant(0.0))
    assert simulate(shared, 1, 1, UNFORESEEN, window).figures.fps == pytest.approx(12.5, rel=0.02)
    twice = service(10.0, 60.0, spread=0.0, speculation=False, paced=False, decoders=2, lanes=2, encode=constant(0.0))
    assert simulate(twice, 1, 1, UNFORESEEN, window).figures.fps == pytest.approx(2 * 1000 / 60, rel=0.02)


@pytest.mark.parametrize(("threads", "lanes", "ms"), [(1, 1, 15 + 60), (3, 1, 15 + 20), (6, 1, 15 + 10), (3, 2, 20)])
def test_pictures_of_a_batch_are_shared_out_among_the_threads_that_encode(threads: int, lanes: int, ms: float) -> None:
    """Six players' pictures, drawn in 15 ms, of 10 ms each: so long from batch to batch; two lanes overlap."""
    drawing = Modelled(Means({1: 0.0025, 6: 0.015}))
    served = service(1.0, each=0.0, spread=0.0, speculation=False, paced=False, decoders=1, lanes=lanes,
                     encode=constant(0.01), encoding_threads=threads)  # fmt: skip
    served = dataclasses.replace(served, decode=drawing)
    figures = simulate(served, 6, 1, UNFORESEEN, Window(20.0)).figures
    assert figures.fps == pytest.approx(1000 / ms, rel=0.02)
    assert figures.encoding == pytest.approx(6 * 10 / ms / max(threads, lanes), rel=0.03)
    assert busy_of(served, 6) == pytest.approx(ms / 1e3 * RATE, rel=0.01)


def test_more_devices_are_never_worse() -> None:
    rates = [simulate(service(), 24, replicas, window=Window(8.0)).figures.fps for replicas in (1, 2, 3, 4, 6, 8)]
    for fewer, more in itertools.pairwise(rates):
        assert more >= 0.98 * fewer
    assert rates[-1] == pytest.approx(RATE, rel=0.01)
    assert rates[0] < RATE / 2


def test_drafts_shorten_what_players_wait_and_pay_for_it_in_passes() -> None:
    with_drafts, without = simulate(service(), 1).figures, simulate(service(speculation=False), 1).figures
    assert with_drafts.effective_ms < without.effective_ms / 4
    assert with_drafts.hit_rate > 0.9
    assert with_drafts.dynamics_drafts > 0.2
    assert without.dynamics_drafts == 0
    bad = simulate(service(), 1, audience=UNFORESEEN, window=Window(20.0)).figures
    assert bad.dynamics_drafts < with_drafts.dynamics_drafts, "Foreknowledge stands aside where guesses are wrong"


def test_extrapolation_spares_passes_in_the_share_that_was_asked_for() -> None:
    audience = Audience(Habits(changes=0.5), NEVER)
    served = service(speculation=False, calm=0.3, most_skips=10, extrapolate=0.001)
    figures = simulate(served, 2, 1, audience, Window(30.0)).figures
    assert figures.extrapolated == pytest.approx(0.3, abs=0.04)


def test_a_network_adds_what_it_takes_both_ways() -> None:
    far = simulate(service(line=constant(0.03)), 1, window=Window(20.0)).figures
    near = simulate(service(), 1, window=Window(20.0)).figures
    assert far.latency_p50 == pytest.approx(near.latency_p50 + 60, abs=4)


def test_same_seed_same_figures_and_another_seed_others() -> None:
    def run(seed: int) -> str:
        return json.dumps(simulate(service(), 6, 2, window=Window(3.0, 1.0, seed)).figures.to_json())

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_it_is_the_engines_own_decider_that_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert replica.decide is decider.decide
    assert schedule.decide is decider.decide
    before = simulate(service(), 1).figures

    def never_early(situation: Situation) -> Decision:
        late = situation.now < situation.deadline
        return Decision.REPEAT if late else decider.decide(situation)

    monkeypatch.setattr("dreamcade.engine.schedule.decide", never_early)
    monkeypatch.setattr("dreamcade.evaluation.simulation.replica.decide", never_early)
    after = simulate(service(), 1).figures
    assert after.latency_p50 > before.latency_p50 + 3, "inputs pull no tick forward any more"


def test_it_is_the_engines_own_schedule_idle_and_foreknowledge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamcade.engine.decider.Idle.breadth", lambda self, sessions: 0)
    figures = simulate(service(), 1).figures
    assert figures.delivered == 0
    assert figures.dynamics_drafts == 0


def test_players_of_a_lost_replica_go_on_elsewhere() -> None:
    outcome = simulate(service(4.0, 3.0), 6, 3, window=Window(6.0), losses=[Loss(4.0, 1)])
    assert (outcome.tallies.losses, outcome.tallies.moved) == (1, 2)
    assert outcome.figures.longest_gap == pytest.approx(1.0, abs=0.15), "noticed after a second, then it goes on"
    check(outcome)
    full = Terms(capacity=2, least=3, most=3)
    stuck = simulate(service(4.0, 3.0), 6, 3, window=Window(6.0), losses=[Loss(4.0, 1)], terms=full)
    assert stuck.figures.longest_gap > 3.5, "no room anywhere, and a new replica takes longer to start"


def test_where_players_go_is_where_the_placement_puts_them() -> None:
    from dreamcade.cluster.placement import Load, place

    seats = dict.fromkeys((f"replica-{n:04d}" for n in range(1, 5)), 0)
    for _ in range(10):
        name = place([Load(name, count, 3, 0.0) for name, count in seats.items()], pack=False)
        assert name is not None
        seats[name] += 1
    hosts = [play.home.name for play in simulate(service(), 10, 4, window=Window(0.2)).plays]  # type: ignore[union-attr]
    assert {name: hosts.count(name) for name in seats} == seats


def test_nobody_and_nothing_is_refused() -> None:
    with pytest.raises(BadInputError, match="players and replicas"):
        simulate(service(), 0)
    with pytest.raises(BadInputError, match="positive number of seconds"):
        Window(0.0)
