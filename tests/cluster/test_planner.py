from __future__ import annotations

import dataclasses
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamcade.cluster.calibration import Calibration, KindCalibration
from dreamcade.cluster.devices import KINDS, DeviceGroup, DeviceKind, parse_devices
from dreamcade.cluster.layout import Decoding, Layout
from dreamcade.cluster.plan import Plan
from dreamcade.cluster.planner import plan, predict
from dreamcade.cluster.rates import RESERVED, rates_of
from dreamcade.cluster.workload import Workload
from dreamcade.core.errors import BadInputError

HOLDS = 1 + 1e-9
"""Rounding apart."""


@st.composite
def kinds(draw: st.DrawFn, name: str = "toy") -> DeviceKind:
    number = lambda low, high: draw(st.floats(low, high))  # noqa: E731
    return DeviceKind(
        name, number(1e12, 1e15), number(1e11, 8e12), number(8e9, 2e11), number(1e10, 1e12), number(1e-6, 1e-4),
        number(1e9, 1e10), number(1e-4, 1e-3), number(0, 1e-5), draw(st.integers(1, 16)),
    )  # fmt: skip


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    number = lambda low, high: draw(st.floats(low, high))  # noqa: E731
    whole = lambda low, high: draw(st.integers(low, high))  # noqa: E731
    return Workload(
        "drawn", 64, 64, tokens=whole(1, 2000), heads=whole(1, 40), head_dim=64, depth=30, steps=whole(1, 4), context=8,
        attention="full", token_flops=number(0, 1e13), head_flops=number(0, 1e13), frame_flops=number(0, 1e11),
        weight_bytes=number(1e6, 6e9), cache_bytes=number(0, 4e9), token_bytes=number(0, 1e10),
        dit_activation_bytes=number(0, 1e9), launches=whole(0, 500), frame_launches=whole(0, 100),
        exchanges=whole(0, 100), exchange_bytes=number(0, 1e9), latent_bytes=number(0, 1e6),
        decoder_flops=number(1e6, 1e13), decoder_bytes=number(0, 1e10), decoder_weight_bytes=number(1e6, 1e9),
        decoder_activation_bytes=number(0, 1e9), decoder_launches=whole(0, 100), decoder_rows=whole(1, 64),
        halo_bytes=number(0, 1e8), halo_exchanges=whole(0, 40), decoder_reductions=whole(0, 40),
        tick_rate=draw(st.sampled_from([0.0, 20.0, 60.0])), skip=draw(st.floats(0, 0.9)),
    )  # fmt: skip


def planned(work: Workload, devices: tuple[DeviceGroup, ...], players: int = 1) -> list[Plan]:
    try:
        return plan(work, devices, players=players)
    except BadInputError:  # too little memory: there is a test of its own
        return []


@settings(max_examples=80, deadline=None)
@given(workloads(), kinds(), st.integers(1, 12), st.integers(1, 6), st.integers(1, 9))
def test_more_devices_never_mean_fewer_frames(
    work: Workload, kind: DeviceKind, count: int, more: int, players: int
) -> None:
    before, after = (planned(work, (DeviceGroup(kind, n),), players) for n in (count, count + more))
    assert bool(after) >= bool(before)
    if before:
        assert after[0].meets >= before[0].meets
        assert after[0].fps * HOLDS >= before[0].fps


@settings(max_examples=40, deadline=None)
@given(workloads(), kinds("one"), kinds("two"), st.integers(1, 5), st.integers(1, 5))
def test_another_kind_beside_never_means_fewer_frames(
    work: Workload, one: DeviceKind, two: DeviceKind, count: int, other: int
) -> None:
    alone, both = (DeviceGroup(one, count),), (DeviceGroup(one, count), DeviceGroup(two, other))
    before, after = planned(work, alone), planned(work, both)
    if before:
        assert after[0].fps * HOLDS >= before[0].fps


@settings(max_examples=60, deadline=None)
@given(workloads(), kinds(), st.integers(1, 10), st.integers(1, 20))
def test_every_plan_fits_and_says_what_the_cost_model_says(
    work: Workload, kind: DeviceKind, count: int, players: int
) -> None:
    devices = (DeviceGroup(kind, count),)
    plans = planned(work, devices, players)
    for one in plans:
        assert one.layout.devices <= count and one.layout.dit_devices <= work.heads
        assert max(one.dit_memory, one.decoder_memory) <= kind.memory * (1 - RESERVED)
        assert predict(work, one.layout, devices, players=players) == one
        assert one.fps * HOLDS >= one.fps_without_extrapolation
        assert one.meets == (not work.tick_rate or one.fps * HOLDS >= work.tick_rate)
        if work.tick_rate and one.carries < 4096 * one.layout.replicas:
            assert one.meets == (one.carries >= one.layout.replicas * -(-players // one.layout.replicas))
    keys = [(not one.meets, -round(one.fps, 6)) for one in plans]
    assert keys == sorted(keys)
    assert plans == planned(work, devices, players)  # the same question, the same answer


@settings(max_examples=40, deadline=None)
@given(workloads(), kinds(), st.integers(2, 10))
def test_a_latency_objective_comes_first(work: Workload, kind: DeviceKind, count: int) -> None:
    devices, calm = (DeviceGroup(kind, count),), dataclasses.replace(work, tick_rate=0.0)
    free = planned(calm, devices)
    if free:
        soonest = min(one.latency_ms for one in free)
        held = plan(calm, devices, latency_ms=soonest)
        assert held[0].meets and held[0].latency_ms <= soonest * HOLDS
        assert not plan(calm, devices, latency_ms=soonest / 2)[0].meets


def test_the_split_balances_the_stages(workload: Workload, kind: DeviceKind) -> None:
    """The decoder takes five times as long as the dynamics on one device: most devices are for it."""
    known = KindCalibration(batches=(1,), dit_ms=(10.0,), decoder_ms=(50.0,), dit_fixed_ms=0.0, exchange_ms=0.0)
    best = plan(workload, (DeviceGroup(kind, 6),), Calibration("round", kinds={"toy": known}))[0]
    assert best.layout.split == "1+5" and best.fps == pytest.approx(100)
    assert best.bottleneck == "DiT compute" or best.bottleneck == "decoder compute"


def test_frames_by_turns_come_no_sooner_and_strips_do(workload: Workload, kind: DeviceKind) -> None:
    known = KindCalibration(batches=(1,), dit_ms=(10.0,), decoder_ms=(60.0,), dit_fixed_ms=0.0, exchange_ms=0.0)
    asked = {"calibration": Calibration("round", kinds={"toy": known})}
    turns, strips = (
        predict(workload, Layout(1, 3, decoding.value), (DeviceGroup(kind, 4),), **asked) for decoding in Decoding
    )
    assert turns.decoder_fps == pytest.approx(3 / 0.060) and turns.decoder_ms == pytest.approx(60)
    assert strips.decoder_ms == pytest.approx(20, rel=0.02) and strips.latency_ms < turns.latency_ms
    assert strips.fps < turns.fps  # what borders cost


def test_one_device_does_one_after_the_other(workload: Workload, kind: DeviceKind) -> None:
    known = KindCalibration(batches=(1,), dit_ms=(10.0,), decoder_ms=(30.0,))
    half = dataclasses.replace(workload, skip=0.5)
    one = plan(half, (DeviceGroup(kind, 1),), Calibration("round", kinds={"toy": known}))[0]
    assert one.layout.shared and one.fps == pytest.approx(1e3 / 35) and one.latency_ms == pytest.approx(40)
    assert one.fps_without_extrapolation == pytest.approx(1e3 / 40)
    assert one.bottleneck == "decoder compute, one device for both"


def test_a_frame_that_is_not_extrapolated_takes_its_whole_pass(workload: Workload, kind: DeviceKind) -> None:
    """Extrapolation brings frames a second; an input's own frame waits for its pass all the same."""
    known = KindCalibration(batches=(1,), dit_ms=(10.0,), decoder_ms=(4.0,))
    asked = {"calibration": Calibration("round", kinds={"toy": known})}
    half = dataclasses.replace(workload, skip=0.5)
    some, none = (predict(work, Layout(1, 1), (DeviceGroup(kind, 2),), **asked) for work in (half, workload))
    assert some.fps == pytest.approx(200) and none.fps == some.fps_without_extrapolation == pytest.approx(100)
    assert some.latency_ms == none.latency_ms == pytest.approx(14 + none.hand_over_ms, abs=0.1)
    assert some.latency_ms > 14


def test_the_tick_rate_holds_back_only_where_it_is_reached(workload: Workload, kind: DeviceKind) -> None:
    known = KindCalibration(batches=(1,), dit_ms=(10.0,), decoder_ms=(4.0,))
    calibration = Calibration("round", kinds={"toy": known})
    for rate, said in ((99.0, "tick rate 99; behind it DiT compute"), (101.0, "DiT compute")):
        work = dataclasses.replace(workload, tick_rate=rate)
        one = predict(work, Layout(1, 1), (DeviceGroup(kind, 2),), calibration)
        assert one.bottleneck == said and one.meets == (rate < 100)


def test_more_players_get_more_pipelines(workload: Workload, kind: DeviceKind) -> None:
    known = KindCalibration(batches=(1,), dit_ms=(10.0,), decoder_ms=(10.0,), exchange_ms=0.0)
    ticking = dataclasses.replace(workload, tick_rate=20.0)
    best = plan(ticking, (DeviceGroup(kind, 8),), Calibration("round", kinds={"toy": known}), players=4)[0]
    assert best.layout.replicas == 4 and best.layout.pipeline_devices == 2 and best.carries == 20 and best.meets
    assert best.bottleneck.startswith("tick rate 20; behind it ")


def test_no_more_pipelines_than_bring_something(workload: Workload, kind: DeviceKind) -> None:
    plans = plan(workload, (DeviceGroup(kind, 5),), players=6)
    shared = next(one for one in plans if one.layout.shared)
    assert shared.layout.replicas == 3  # five would still leave two players to one of them


def test_what_does_not_fit_is_refused_with_what_is_short(workload: Workload) -> None:
    heavy = dataclasses.replace(workload, weight_bytes=30e9)
    with pytest.raises(BadInputError, match=r"one player does not fit rtx-4090:2: .*DiT.* 24 GB 22\.1 can be"):
        plan(heavy, parse_devices("rtx-4090:2"))
    with pytest.raises(BadInputError, match=r"for 200 players .*GB are short"):
        predict(dataclasses.replace(workload, cache_bytes=1e9), Layout(1, 1), parse_devices("rtx-4090:2"), players=200)
    assert plan(heavy, parse_devices("h200:1"))


def test_not_all_of_a_device_s_memory_can_be_filled(workload: Workload) -> None:
    most = 24e9 * (1 - RESERVED)
    rest = workload.cache_bytes + workload.dit_activation_bytes
    for weights, fits in ((most - rest - 1e6, True), (most - rest + 1e6, False)):
        work = dataclasses.replace(workload, weight_bytes=weights)
        assert [one.layout.split for one in planned(work, parse_devices("rtx-4090:2"))] == ["1+1"] * fits


def test_a_stage_on_its_own_device_needs_less_memory(workload: Workload) -> None:
    heavy = dataclasses.replace(workload, weight_bytes=15e9, decoder_activation_bytes=10e9)
    assert [one.layout.split for one in plan(heavy, parse_devices("rtx-4090:2"))] == ["1+1"]


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (Layout(3, 2), "needs 5 devices; there are 4"),
        (Layout(2, 1, replicas=2), "needs 6 devices; there are 4"),
    ],
)
def test_layouts_that_there_are_no_devices_for(workload: Workload, kind: DeviceKind, layout: Layout, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        predict(workload, layout, (DeviceGroup(kind, 4),))


def test_layouts_that_cannot_be_shared_out(workload: Workload, kind: DeviceKind) -> None:
    many = (DeviceGroup(kind, 40),)
    with pytest.raises(BadInputError, match="12 heads and 120 tokens to share, and the layout 13"):
        predict(workload, Layout(13, 1), many)
    with pytest.raises(BadInputError, match="12 rows of latent cells to cut into 13 strips"):
        predict(workload, Layout(1, 13, "spatial"), many)
    assert max(one.layout.dit_devices for one in plan(workload, many)) <= 12


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"players": 0}, "at least 1 player"),
        ({"latency_ms": 0.0}, "positive number of milliseconds"),
        ({"latency_ms": float("nan")}, "positive number of milliseconds"),
        ({"overlap": 2.0}, "overlap is a share"),
        ({"decoding": "sideways"}, "round-robin or spatial"),
    ],
)
def test_bad_questions(workload: Workload, kind: DeviceKind, options: dict[str, object], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        plan(workload, (DeviceGroup(kind, 2),), **options)  # type: ignore[arg-type]


def test_kinds_that_differ(workload: Workload) -> None:
    """The dynamics goes to what computes, the decoder to what is left; a group is as slow as its slowest."""
    devices = parse_devices("h200:1,rtx-4090:2")
    best = plan(workload, devices)[0]
    assert best.dit_kinds and best.decoder_kinds
    mixed = predict(workload, Layout(2, 1), devices)
    slow = predict(workload, Layout(2, 1), parse_devices("rtx-4090:3"))
    assert mixed.dit_kinds == {"h200": 1, "rtx-4090": 1} and mixed.decoder_kinds == {"rtx-4090": 1}
    assert mixed.dit_ms > slow.dit_ms  # by what the network takes
    assert mixed.dit_ms - mixed.exchange_ms == pytest.approx(slow.dit_ms - slow.exchange_ms)


def test_a_group_has_the_memory_of_its_smallest(workload: Workload) -> None:
    heavy = dataclasses.replace(workload, weight_bytes=30e9)
    with pytest.raises(BadInputError, match="GB are short"):
        predict(heavy, Layout(2, 1), parse_devices("h200:1,rtx-4090:2"))
    assert rates_of(KINDS["h200"], heavy).memory > 30e9


def test_a_decoding_that_is_asked_for(workload: Workload, kind: DeviceKind) -> None:
    for decoding in Decoding:
        plans = plan(workload, (DeviceGroup(kind, 6),), decoding=decoding.value)
        assert {one.layout.decoding for one in plans if one.layout.decoder_devices > 1} == {decoding.value}


def test_an_answer_takes_milliseconds(workload: Workload) -> None:
    began = time.process_time()
    for _ in range(20):
        plan(workload, parse_devices("h200:8"))
    each = (time.process_time() - began) / 20
    began = time.process_time()
    plan(dataclasses.replace(workload, tick_rate=20.0), parse_devices("h200:1000"), players=1000)
    assert each < 0.05 and time.process_time() - began < 1.0


def test_many_kinds_are_answered_soon(workload: Workload) -> None:
    """Orders of all seven kinds would be 5040, each with many splits."""
    began = time.process_time()
    best = plan(workload, parse_devices("h100:2,a100:2,b200:2,h200:2,l40s:2,rtx-4090:2,rtx-3090:2"), players=5)[0]
    assert best.meets and time.process_time() - began < 5
