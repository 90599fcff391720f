"""The table of `bench bits`, and its verdict."""

from __future__ import annotations

from typing import Any

from dreamcade.evaluation.bits_table import bits_table, smallest_within

ROW = {
    "next_real": 30.0, "rollout_real": 25.0, "last_real": 20.0, "next_same": 50.0, "rollout_same": 45.0,
    "loss_next": 0.1, "loss_next_interval": (0.0, 0.2), "loss_rollout": 0.0, "loss_rollout_interval": (-0.1, 0.1),
    "dynamics_bytes": 6_000_000, "codec_bytes": 3_000_000, "memory_bytes": 200_000, "bytes": 9_200_000,
    "pass_ms": 12.5, "decode_ms": 7.25,
}  # fmt: skip
NONE = {"loss_next": 0.0, "loss_next_interval": (0.0, 0.0), "loss_rollout": 0.0, "loss_rollout_interval": (0.0, 0.0)}


def figures(**forms: dict[str, Any]) -> dict[str, Any]:
    rows = {"float32": {**ROW, **NONE, "bytes": 36_800_000}, **forms}
    return {"rows": rows, "persistence": {"next_real": 28.0, "rollout_real": 22.0, "last_real": 18.0}}


def test_the_smallest_is_chosen_by_the_ends_of_its_intervals() -> None:
    small = {**ROW, "bytes": 4_600_000}
    assert smallest_within(figures(int8=ROW, int4=small), 0.3) == "int4"
    lucky = {**small, "loss_rollout": -0.2, "loss_rollout_interval": (-0.9, 0.4)}
    assert smallest_within(figures(int8=ROW, int4=lucky), 0.3) == "int8"
    unsure = {**small, "loss_next_interval": (-0.9, 0.31)}
    assert smallest_within(figures(int8=ROW, int4=unsure), 0.3) == "int8"
    assert smallest_within(figures(int8=ROW), 0.1) == "float32"


def test_lines() -> None:
    lines = bits_table(figures(int8=ROW, fp8={**ROW, "pass_ms": None, "decode_ms": None}), 0.3)
    assert lines[1].split() == ["persistence", "28.00", "22.00", "18.00"]
    assert "+0.10 [+0.00, +0.20]  +0.00 [-0.10, +0.10]" in next(line for line in lines if line.startswith("int8"))
    sizes = {line.split()[0]: line for line in lines[lines.index("") :] if line}
    assert sizes["int8"].split()[1:] == ["6.00", "3.00", "200.0", "12.50", "7.25"]
    assert sizes["fp8"].endswith("emulated: no speed")
    assert lines[-1] == "smallest with both losses' intervals within 0.3 dB: int8, 25% of float32's bytes"
