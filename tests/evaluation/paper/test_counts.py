"""The formulas count what the operations touch, and a floor is what the slower ceiling allows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from dreamcade.dynamics import diffusion_blocks, diffusion_transformer
from dreamcade.dynamics.diffusion_bytes import pass_bytes, shared_bytes, write_bytes
from dreamcade.dynamics.diffusion_flops import frame_flops
from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer
from dreamcade.evaluation.paper import counts
from dreamcade.evaluation.paper.counts import PASS, WRITE, StageWork, given_ceilings, stage_work
from dreamcade.evaluation.paper.models import build_drawing
from dreamcade.evaluation.paper.presets import ATTENTIONS, CONVOLUTIONAL, LIGHT, paper_preset
from dreamcade.evaluation.paper.stages import fill_memory, stage_runs
from dreamcade.evaluation.roofline_trace import trace
from dreamcade.kernels.ring_cache import Ring

CPU = torch.device("cpu")
# Many channels and layers: small rows, and what is done once, are to be small.
PRESET = dataclasses.replace(paper_preset("paper-racing", 10), heads=8, depth=5, condition_width=64)
TOLERANCE = {counts.SHARED: 0.05, PASS: 0.02, WRITE: 0.13}
"""Of the formulas, for what they leave out; it shrinks with the model's size."""


def tensors_of(value: Any) -> list[torch.Tensor]:
    if isinstance(value, Ring):
        return list(value.tensors().values())
    return [value] if isinstance(value, torch.Tensor) else []


@pytest.fixture
def fused_bytes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What fused operations touch, each as one operation that PyTorch does not see into."""
    touched: list[int] = []

    def watch(where: Any, name: str, slot_only: int | None = None) -> None:
        function: Callable[..., Any] = getattr(where, name)

        def watched(*args: Any) -> Any:
            with _disable_current_modes():
                made = function(*args)
            for index, value in enumerate(args):
                share = value.slots if index == slot_only else 1
                touched.append(sum(t.nbytes for t in tensors_of(value)) // share)
            touched.extend(t.nbytes for t in tree_leaves(made) if isinstance(t, torch.Tensor))
            return made

        monkeypatch.setattr(where, name, watched)

    watch(diffusion_transformer, "rms_modulate")
    watch(diffusion_blocks, "gate_residual_rms_modulate")
    watch(diffusion_blocks, "norm_rope_write", slot_only=1)
    watch(diffusion_blocks, "norm_rope_keep", slot_only=1)
    watch(diffusion_blocks, "ring_attention")
    watch(diffusion_blocks, "place_attention")
    return touched


@pytest.mark.parametrize("bits", [16, 8])
@pytest.mark.parametrize("feed_forward", ["gelu", "gated"])
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_bytes_of_the_dynamics(attention: str, feed_forward: str, bits: int, fused_bytes: list[int]) -> None:
    config = dataclasses.replace(PRESET.dynamics(attention), feed_forward=feed_forward)
    model = DiffusionTransformer.random(config)
    state = model.new_state(1, bits)
    fill_memory(model, state)
    runs = stage_runs(model, state, build_drawing(PRESET, CPU, LIGHT))
    expected = {
        counts.SHARED: shared_bytes(config), PASS: pass_bytes(config, bits), WRITE: write_bytes(config, bits)
    }  # fmt: skip
    for stage, moved in expected.items():
        fused_bytes.clear()
        seen = trace(runs[stage], {"model": model})
        counted = sum(call.work.bytes for call in seen.calls) + sum(fused_bytes)
        assert moved.all == pytest.approx(counted, rel=TOLERANCE[stage]), stage
        assert moved.least < moved.all


def test_operations_of_the_whole_frame_are_those_of_the_dynamics() -> None:
    work, config = stage_work(PRESET, "full", LIGHT, 2), PRESET.dynamics("full", 2)
    assert work[counts.SHARED].flops + 2 * work[PASS].flops + work[WRITE].flops == frame_flops(config)


def test_the_decoders_operations_are_counted_as_they_run() -> None:
    drawing, latents = build_drawing(PRESET, CPU, LIGHT), torch.zeros(1, *PRESET.latent_shape)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        drawing.decode(latents)
    assert counter.get_total_flops() == stage_work(PRESET, "full", LIGHT)[counts.DECODE].flops > 0


def test_fusing_leaves_out_multiplications_and_bytes_of_the_decoder() -> None:
    decode = stage_work(paper_preset("paper-racing"), "full", CONVOLUTIONAL)[counts.DECODE]
    doubled = (512, 120, 180), (512, 240, 360), (256, 480, 720)
    saved = sum(2 * 5 * channels**2 * height * width for channels, height, width in doubled)
    assert decode.unfused_flops - decode.flops == saved
    assert decode.least_bytes < decode.bytes < 0.4 * decode.unfused_bytes


def test_floors() -> None:
    machine = given_ceilings(flops=1e12, bandwidth=1e11)  # 1 ms: 1 GFLOP, or 100 MB
    computes, moves = StageWork(2 * 10**9, 10**8, 10**7), StageWork(0, 3 * 10**8, 10**8)
    assert (computes.floor_ms(machine), moves.floor_ms(machine)) == (pytest.approx(2), pytest.approx(1))
    assert (computes.bound(machine), moves.bound(machine)) == ("compute", "memory")
    work = {PASS: computes, WRITE: moves}
    assert counts.frame_floor_ms(work, 2, machine) == pytest.approx(5)
    assert counts.overlapped_floor_ms(work, 2, machine) == pytest.approx(4)
