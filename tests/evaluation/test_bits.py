"""What fewer bits cost: every form on the same windows."""

from __future__ import annotations

from typing import Any

import pytest

from dreamcade.core.errors import BadInputError
from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation.bits import ALIKE, REFERENCE, compare_bits, forms
from dreamcade.world import World


@pytest.fixture(scope="module")
def figures(racing_world: World, racing_data: Dataset) -> dict[str, Any]:
    return compare_bits(racing_world, racing_data, windows=2, ticks=3, seed=0, repeats=1)


def test_every_form_has_its_figures(figures: dict[str, Any]) -> None:
    rows = figures["rows"]
    assert rows.keys() == forms().keys()
    assert rows[REFERENCE]["next_same"] == rows[REFERENCE]["rollout_same"] == ALIKE
    assert all(r["rollout_same"] < ALIKE for name, r in rows.items() if name != REFERENCE)
    assert rows["fp8"]["pass_ms"] is None and rows["int8"]["pass_ms"] > 0
    assert rows[REFERENCE]["loss_next_interval"] == rows[REFERENCE]["loss_rollout_interval"] == (0.0, 0.0)
    for row in rows.values():
        low, high = row["loss_rollout_interval"]
        assert low <= row["loss_rollout"] <= high
        assert row["loss_next"] == pytest.approx(rows[REFERENCE]["next_real"] - row["next_real"])
    assert figures["persistence"]["next_real"] > 0


def test_fewer_bits_are_fewer_bytes(figures: dict[str, Any]) -> None:
    rows = figures["rows"]
    for part, order in {
        "dynamics_bytes": (REFERENCE, "bfloat16", "int8", "int8 everywhere"),
        "codec_bytes": (REFERENCE, "bfloat16", "int8 codec"),  # four bits pad a toy's rows to whole groups
        "memory_bytes": (REFERENCE, "bfloat16", "int8 memory", "int4 memory"),
    }.items():
        sizes = [rows[name][part] for name in order]
        assert sizes == sorted(set(sizes), reverse=True), part


def test_a_recording_of_another_game(tiny_world: World, racing_data: Dataset) -> None:
    with pytest.raises(BadInputError, match="give a recording of the world's game"):
        compare_bits(tiny_world, racing_data, windows=1, ticks=2, seed=0, repeats=1)
