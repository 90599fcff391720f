"""The dynamics' kernels one by one, at toy size."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from dreamcade.dynamics.diffusion_flops import cache_bytes
from dreamcade.evaluation.paper.counts import given_ceilings
from dreamcade.evaluation.paper.kernel_timing import Operation, operations, time_operation
from dreamcade.evaluation.paper.presets import paper_preset

CPU = torch.device("cpu")
TOY = paper_preset("paper-racing", 15)
MACHINE = given_ceilings(1e15, 1e15)


@pytest.fixture(scope="module")
def found() -> dict[str, Operation]:
    return {one.name: one for one in operations(TOY, CPU)}


def test_every_side_is_timed(found: dict[str, Operation]) -> None:
    assert len(found) == 3 + 3 * 3 + 3 * 3
    for one in found.values():
        figures = time_operation(one, CPU, MACHINE, compiled=False, rounds=1, calls=1)
        assert json.loads(json.dumps(figures)) == figures and not figures["failed"]
        assert set(figures["ms"]) == {"fused", "eager"} and min(figures["ms"].values()) > 0
        assert figures["of_copy"] == pytest.approx(one.bytes / figures["ms"]["fused"] * 1e3 / 1e15)
        assert ("times_fused" in figures) != one.name.startswith("linear fp8")  # emulated here


def test_linear_layers_agree(found: dict[str, Operation]) -> None:
    for name, one in found.items():
        if name.startswith("linear"):
            made, expected = one.fused().float(), one.plain().float()
            assert 0 < (made - expected).norm() / expected.norm() < 0.2, name


def test_bytes_are_those_of_the_cache(found: dict[str, Operation]) -> None:
    config = TOY.dynamics("full")
    wide, eight, four = (found[f"place_attention, {bits} bits"].bytes for bits in (16, 8, 4))
    assert wide - eight == (cache_bytes(config, 16) - cache_bytes(config, 8)) // config.depth
    assert eight - four == (cache_bytes(config, 8) - cache_bytes(config, 4)) // config.depth


def test_what_fails_is_told(found: dict[str, Operation]) -> None:
    def fail() -> None:
        raise RuntimeError("no such device\nand more")

    one = dataclasses.replace(found["rms_modulate"], fused=fail)
    figures = time_operation(one, CPU, MACHINE, compiled=False, rounds=1, calls=1)
    assert set(figures["ms"]) == {"eager"} and figures["failed"] == {"fused": "RuntimeError: no such device"}
    assert "of_copy" not in figures
