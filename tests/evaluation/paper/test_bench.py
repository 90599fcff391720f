"""All figures of the paper's engine at toy size, and what they say of each other."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
import torch

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics.diffusion_bytes import pass_bytes
from dreamcade.evaluation.ceilings import Ceilings, measure_ceilings
from dreamcade.evaluation.paper import timing
from dreamcade.evaluation.paper.bench import bench_paper
from dreamcade.evaluation.paper.counts import PASS, STAGES, given_ceilings, stage_work
from dreamcade.evaluation.paper.models import build_dynamics
from dreamcade.evaluation.paper.plan import PaperPlan
from dreamcade.evaluation.paper.presets import paper_preset
from dreamcade.evaluation.paper.table import paper_lines, where_it_goes
from dreamcade.world.low_bits import weight_bytes

CPU = torch.device("cpu")
TOY = paper_preset("paper-platformer", 15)


def small_machine(device: torch.device, dtypes: Iterable[torch.dtype]) -> Ceilings:
    return measure_ceilings(device, dtypes, matrix=128, repeats=2)


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    return bench_paper(PaperPlan(TOY, steps=(1, 4), seconds=0.4), CPU, ceilings=small_machine)


def test_figures_agree_with_each_other(figures: dict[str, Any]) -> None:
    assert json.loads(json.dumps(figures)) == figures
    assert set(figures["stages"]) == set(STAGES) and list(figures["frames"]) == ["1", "4"]
    for steps, frame in figures["frames"].items():
        above = sum(ms for _, ms in where_it_goes(figures, steps))
        # The stages are those of one step; each further step has modulations of its own.
        assert frame["floor_ms"] + above == pytest.approx(frame["ms"], rel=1e-3)
        assert frame["pipelined_floor_ms"] <= frame["floor_ms"] < frame["ms"]
        assert frame["fps"] == pytest.approx(1e3 / frame["ms"]) and frame["rounds"] >= 3
    assert figures["frames"]["4"]["ms"] > figures["frames"]["1"]["ms"]
    assert figures["memory_bytes"]["peak"] > figures["memory_bytes"]["dynamics"] > 0
    assert figures["paper"]["fps_per_tflops"] == pytest.approx(48.3 / 8 / 752)
    assert figures["kernels"] == "reference" and not figures["graphs"]


def test_unfused_sides_take_turns_with_ours(figures: dict[str, Any]) -> None:
    unfused = figures["unfused"]
    assert set(unfused["dynamics pass"]["ms"]) == {"fused", "eager"}
    assert set(unfused["decode"]["ms"]) == {"fused", "eager, channels last", "eager, channels first"}
    for one in unfused.values():
        eager, ms = one["ways"]["eager"], one["ms"]
        assert eager["ms"] == min(t for name, t in ms.items() if name != "fused") and not one["failed"]
        assert eager["times_fused"] == pytest.approx(eager["ms"] / ms["fused"])


def test_the_table_says_what_it_is(figures: dict[str, Any]) -> None:
    said = "\n".join(paper_lines(figures))
    for words in ("48.3 FPS on 8 devices of 752", "shrunk 15 times", "no Triton here", "Ceilings of the same run",
                  figures["machine"], "decode, eager, channels", "caches of one session"):  # fmt: skip
        assert words in said
    assert "times the paper's per device" not in said  # of a toy


def test_the_light_decoder_has_no_peer() -> None:
    figures = bench_paper(
        PaperPlan(TOY, "full", "light", steps=(1,), seconds=0.0, unfused=False), CPU, ceilings=small_machine
    )
    assert figures["unfused"] == {} and figures["decoder"] == "light"
    assert "Only first runs were timed" in "\n".join(paper_lines(figures))


@pytest.mark.parametrize(
    ("weights", "cache", "most"), [("bf16", 8, 0.03), ("int8", 8, 0.05), ("fp8", 16, 0.1), ("int4", 4, 0.4)]
)
def test_few_bits(weights: str, cache: int, most: float, figures: dict[str, Any]) -> None:
    plan = PaperPlan(TOY, "factorised", "light", (1,), weights, cache, seconds=0.0)
    found = bench_paper(plan, CPU, ceilings=small_machine)
    assert 0 < found["error"] < most and figures["error"] is None
    memory, before = found["memory_bytes"], figures["memory_bytes"]
    assert memory["caches"] < before["caches"] if cache < 16 else memory["caches"] == before["caches"]
    assert memory["dynamics"] < before["dynamics"] if weights != "bf16" else memory["dynamics"] == before["dynamics"]
    assert found["parameters"] == figures["parameters"]
    said = "\n".join(paper_lines(found))
    assert f"weights in {weights}, caches in {cache} bits is" in said
    emulated = weights == "fp8"
    assert found["emulated"] == emulated == ("only emulated" in said)
    assert (PASS in found["unfused"]) != emulated


@pytest.mark.parametrize(("weights", "bits"), [("int8", 8), ("fp8", 8), ("int4", 4)])
def test_bytes_of_few_bits_are_those_of_the_model(weights: str, bits: int) -> None:
    plain, packed = (build_dynamics(TOY, CPU, weights=name) for name in ("bf16", weights))
    saved = weight_bytes(plain) - weight_bytes(packed)
    assert saved == pass_bytes(plain.config).least - pass_bytes(plain.config, weight_bits=bits).least > 0


def test_eight_bits_are_multiplied_twice_as_fast() -> None:
    plain, eight, four = (stage_work(TOY, "full", "light", 1, name)[PASS] for name in ("bf16", "int8", "int4"))
    machine = given_ceilings(1e12, 1e12)
    assert plain.compute_ms(machine) / 2 < eight.compute_ms(machine) < plain.compute_ms(machine)
    assert four.compute_ms(machine) == plain.compute_ms(machine) and four.bytes < plain.bytes


def test_what_is_refused() -> None:
    for given, said in (
        ({"attention": "half"}, "attention must be one of factorised, full; got 'half'"),
        ({"decoder": "heavy"}, "decoder must be one of convolutional, light"),
        ({"weights": "fp3"}, "weights must be one of bf16, int8, fp8, int4; got 'fp3'"),
        ({"cache": 3}, "cache must be one of 16, 8, 4 bits; got 3"),
        ({"steps": (0,)}, "steps must be whole numbers from 1"),
    ):
        with pytest.raises(BadInputError, match=said):
            PaperPlan(TOY, **given)  # type: ignore[arg-type]


def test_sides_take_turns() -> None:
    seen: list[str] = []
    sides = {name: timing.repeated(lambda name=name: seen.append(name)) for name in "ab"}
    times = timing.times_by_turns(sides, CPU, 0.0, "toy", lambda what, done, total: None)
    assert {name: len(turns) for name, turns in times.items()} == {"a": 1, "b": 1} and seen == ["a", "b"]
    times = timing.times_by_turns(sides, CPU, 0.05, "toy", lambda what, done, total: None)
    assert len(times["a"]) == len(times["b"]) >= timing.LEAST_ROUNDS


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_fused_is_faster_than_eager() -> None:
    plan = PaperPlan(paper_preset("paper-racing"), steps=(1,), seconds=3.0)
    figures = bench_paper(plan, torch.device("cuda"))
    assert figures["kernels"] == "triton" and figures["graphs"]
    assert figures["unfused"]["dynamics pass"]["ways"]["eager"]["times_fused"] > 1
    assert figures["unfused"]["decode"]["ways"]["eager"]["times_fused"] > 1
    assert figures["frames"]["1"]["ms"] > figures["frames"]["1"]["floor_ms"]
