from __future__ import annotations

import time

import pytest

from dreamcade.cli.pipeline import pipeline_lines
from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.pipeline import LOOP_MS, Stages, bench_pipeline, hand_over_ms, parse_splits, predicted_fps
from dreamcade.evaluation.stand_in import Work
from dreamcade.world import World


def test_splits_are_read() -> None:
    assert parse_splits("1+1, 1+12") == [1, 12]
    for wrong in ("2+1", "1", "1+0", "1+x", "1+17", ""):
        with pytest.raises(BadInputError, match=r"layouts are 1\+N by commas"):
            parse_splits(wrong)


def test_the_slowest_stage_is_what_counts() -> None:
    size = (720, 480)
    assert predicted_fps(Stages(20.0, 50.0, 0.1), 1, size) == pytest.approx(1000 / (50 + hand_over_ms(size)))
    assert predicted_fps(Stages(20.0, 50.0, 0.1), 4, size) == pytest.approx(1000 / (20 + LOOP_MS))
    assert hand_over_ms((360, 480)) == pytest.approx(hand_over_ms(size) / 2)


def test_work_takes_its_time_and_its_share_of_a_core() -> None:
    began, computed = time.perf_counter(), time.thread_time()
    Work(100.0, 0.3)()
    assert time.perf_counter() - began >= 0.1
    assert 0.03 <= time.thread_time() - computed < 0.1


@pytest.mark.parametrize("wrong", [{"pass_ms": 0.0}, {"picture_ms": -1.0}, {"seconds": 0.0}, {"duty": 1.5}])
def test_nonsense_is_refused(tiny_world: World, wrong: dict[str, float]) -> None:
    given = {"pass_ms": 1.0, "picture_ms": 1.0, "seconds": 1.0, **wrong}
    with pytest.raises(BadInputError, match="must be positive and duty from 0 to 1"):
        bench_pipeline(tiny_world, [1], **given)  # type: ignore[arg-type]


def test_two_decoders_make_more_frames_than_one_would(tiny_world: World) -> None:
    figures = bench_pipeline(tiny_world, [2], pass_ms=10.0, picture_ms=60.0, seconds=1.5, duty=0.05)
    [row] = figures["splits"]
    assert row["bound_fps"] == pytest.approx(2000 / 60)
    assert 1000 / 60 * 1.2 < row["fps"] <= 1.1 * row["bound_fps"], "more than one could, no more than two can"
    assert row["latency_ms_p50"] >= 70
    assert any(line.startswith("1+2") for line in pipeline_lines(figures))
