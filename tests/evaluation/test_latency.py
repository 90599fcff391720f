from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dreamcade.core.types import Tally
from dreamcade.evaluation.latency import STAGES, Changes, frame_figures, latency_figures, latency_table

RECORDS = [
    {"totalMs": float(7 * n), "stages": {name: float(n) for name in STAGES}} for n in range(1, 101)
]  # fmt: skip


def test_means_of_stages_add_up_and_percentiles_are_of_each() -> None:
    figures = latency_figures(Changes.of(RECORDS))
    assert figures["m2p_ms_p50"] == pytest.approx(7 * 50.5)
    assert figures["m2p_ms_p95"] == pytest.approx(7 * 95.05)
    assert figures["stages"]["wait"]["p99"] == pytest.approx(99.01)
    assert sum(stage["mean"] for stage in figures["stages"].values()) == pytest.approx(figures["m2p_ms_mean"])


def test_a_group_of_changes_lies_between_two_percentiles() -> None:
    slow = Changes.of(RECORDS).between(95, 100)
    assert slow.total.min() == 7 * 96
    assert all(len(values) == len(slow.total) == 5 for values in slow.stages.values())


def frames(kinds: list[str]) -> list[dict[str, Any]]:
    ready = {"computed": 40.0, "extrapolated": 10.0, "in between": 0.0}
    return [{"shownMs": 20.0 * i, "readyMs": ready[kind], "kind": kind} for i, kind in enumerate(kinds)]


def test_effective_latency_is_of_ticks_and_shares_of_frames() -> None:
    tally = Tally(computed=2, extrapolated=2, in_between=1, drafted=3, missed=1, wasted=7)
    figures = frame_figures(frames(["computed", "extrapolated", "in between", "computed", "extrapolated"]), tally)
    assert figures["effective_ms"] == 25.0
    assert figures["fps"] == pytest.approx(50)
    assert figures["shares"] == {"computed": 0.4, "extrapolated": 0.4, "in_between": 0.2, "drafted": 0.75}
    assert (figures["hit_rate"], figures["drafts_wasted"]) == (0.75, 7)


def test_without_drafts_there_is_no_hit_rate() -> None:
    assert frame_figures(frames(["computed"] * 3), Tally(computed=3))["hit_rate"] is None


def test_the_table_has_a_line_for_the_whole_and_one_for_each_stage() -> None:
    head, whole, *stages = latency_table(latency_figures(Changes.of(RECORDS)))
    assert head.split() == ["ms", "p50", "p95", "p99", "mean"]
    assert "353.5" in whole and "665.4" in whole
    assert [line.split()[0] for line in stages] == list(STAGES)


def test_the_plot_is_a_picture() -> None:
    plots = pytest.importorskip("dreamcade.evaluation.latency_plot")
    changes = Changes.of(RECORDS)
    assert plots.plot_latency(changes, 30.0, "toy").startswith(b"\x89PNG")
    assert np.array_equal(changes.total, Changes.of(RECORDS).total)
