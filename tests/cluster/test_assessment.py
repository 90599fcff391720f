from __future__ import annotations

import dataclasses

from dreamcade.cluster.assessment import (
    BOTH,
    DIT,
    ENCODING,
    HAND_OVER,
    Placed,
    Question,
    assess,
    bottleneck,
    carried,
    most,
)
from dreamcade.cluster.calibration import Calibration, KindCalibration
from dreamcade.cluster.devices import DeviceKind
from dreamcade.cluster.layout import Layout
from dreamcade.cluster.rates import rates_of
from dreamcade.cluster.workload import Workload


def placed(layout: Layout, kind: DeviceKind, work: Workload, encode: float = 0.0) -> Placed:
    known = KindCalibration(
        batches=(1,), dit_ms=(10.0,), decoder_ms=(10.0,), dit_fixed_ms=0.0, exchange_ms=0.0, encode_ms=encode
    )  # fmt: skip
    rates = rates_of(kind, work, Calibration("round", kinds={kind.name: known}))
    return Placed(layout, rates, rates)


def test_the_largest_number_that_holds() -> None:
    for limit in (1, 2, 5, 64):
        assert [most(lambda n, top=top: n <= top, limit) for top in range(9)] == [min(top, limit) for top in range(9)]


def test_players_that_one_pipeline_carries(workload: Workload, kind: DeviceKind) -> None:
    ticking = dataclasses.replace(workload, tick_rate=20.0)
    question = Question(ticking)
    assert carried(question, placed(Layout(1, 1), kind, ticking)) == 5  # 10 ms each in either stage
    assert carried(question, placed(Layout(shared=True), kind, ticking)) == 2
    assert carried(dataclasses.replace(question, latency_ms=41.0), placed(Layout(1, 1), kind, ticking)) == 2
    assert carried(dataclasses.replace(question, latency_ms=1.0), placed(Layout(1, 1), kind, ticking)) == 0


def test_a_core_also_encodes(workload: Workload, kind: DeviceKind) -> None:
    core = dataclasses.replace(kind, host=True)
    question = Question(workload)
    apart = assess(question, placed(Layout(1, 1), core, workload, encode=2.0), 3)
    assert apart.slowest == DIT and round(apart.tick * 1e3, 6) == 36
    together = assess(question, placed(Layout(shared=True), core, workload, encode=2.0), 3)
    assert together.slowest == BOTH and round(together.tick * 1e3, 6) == 66
    assert round(assess(question, placed(Layout(1, 1), kind, workload, encode=2.0), 3).tick * 1e3, 6) == 30


def test_beside_a_gpu_its_machines_cores_encode(workload: Workload, kind: DeviceKind) -> None:
    """Six players' pictures of 40 ms each; passes and drawings of 10 ms. Two cores are left to others."""
    few, many = (dataclasses.replace(kind, host_cores=cores) for cores in (1.0, 5.0))
    question = Question(workload)

    def tick(layout: Layout, kind: DeviceKind) -> tuple[float, str]:
        found = assess(question, placed(layout, kind, workload, encode=40.0), 6)
        assert found.tick <= 1.01 * found.without_skips
        return round(found.tick * 1e3, 6), found.slowest

    assert tick(Layout(shared=True), few) == (60 + 6 * 40, ENCODING), "one lane draws, then encodes all of them"
    assert tick(Layout(shared=True), many) == (60 + 2 * 40, ENCODING), "three at once"
    assert tick(Layout(1, 1), few) == ((60 + 6 * 40) / 2, ENCODING), "two lanes"
    assert tick(Layout(1, 1), many) == (60 + 0, DIT), "eight at once, 30 ms for all"
    words = bottleneck(question, assess(question, placed(Layout(shared=True), few, workload, encode=40.0), 6))
    assert words == ENCODING


def test_encoding_limits_how_many_players_a_gpu_carries(workload: Workload, kind: DeviceKind) -> None:
    ticking = dataclasses.replace(workload, tick_rate=1.0)
    question = Question(ticking)

    def players(cores: float) -> int:
        known = dataclasses.replace(kind, host_cores=cores, memory=1e12)
        return carried(question, placed(Layout(shared=True), known, ticking, encode=190.0))

    assert players(1.0) == 5  # of 190 + 10 ms each
    assert players(6.0) == 16, "four at once: 4 × 190 + 16 × 10 = 920 ms, and 17 of them take 1120"
    assert players(100.0) == 43, "sixteen at once, however many cores: 3 × 190 + 43 × 10 = 1000 ms"


def test_a_hand_over_can_be_what_is_slowest(workload: Workload, kind: DeviceKind) -> None:
    wide = dataclasses.replace(workload, latent_bytes=4e9)
    assert assess(Question(wide), placed(Layout(1, 1), kind, wide), 1).slowest == HAND_OVER


def test_frames_of_many_players_are_shared_out(workload: Workload, kind: DeviceKind) -> None:
    """Seven frames on three devices: one draws three of them, and on the average each draws seven thirds."""
    found = assess(Question(workload), placed(Layout(1, 3), kind, workload), 7)
    assert round(found.drawing.total * 1e3, 6) == 30 and round(found.decoder_pace * 1e3, 6) == 23.333333
