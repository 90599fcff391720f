"""A captured frame, a pipelined one and one made operation by operation are the same, bit for bit."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.paper import models
from dreamcade.evaluation.paper.engine import PaperEngine
from dreamcade.evaluation.paper.models import build_drawing, build_dynamics, sampled_in
from dreamcade.evaluation.paper.pipeline import PipelinedEngine
from dreamcade.evaluation.paper.presets import ATTENTIONS, DECODERS, PaperPreset, paper_preset
from dreamcade.evaluation.paper.stages import fill_memory, pass_error
from dreamcade.kernels.choice import using

TOY = paper_preset("paper-racing", 15)
CPU = torch.device("cpu")


def build(preset: PaperPreset, device: torch.device, attention: str, decoder: str, steps: int = 2) -> PaperEngine:
    model = sampled_in(build_dynamics(preset, device, attention), steps)
    return PaperEngine(model, model.new_state(1), build_drawing(preset, device, decoder))


def inputs(engine: PaperEngine, count: int) -> list[tuple[Tensor, Tensor]]:
    generator, buffers = torch.Generator().manual_seed(3), engine.buffers

    def normal(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator).to(like)

    return [(normal(buffers.actions), normal(buffers.noise)) for _ in range(count)]


def expect_all_the_same(engine: PaperEngine, count: int) -> None:
    given = inputs(engine, count)
    plain = PaperEngine(engine.dynamics, engine.dynamics.new_state(1), engine.drawing, graphs=False)
    expected = [plain.frame(*one).clone() for one in given]
    made = [engine.frame(*one).clone() for one in given]
    assert all(torch.equal(a, b) for a, b in zip(made, expected, strict=True))
    for name, tensor in engine.state.tensors().items():
        assert torch.equal(tensor, plain.state.tensors()[name]), name
    pipelined = PipelinedEngine(engine)
    assert int(engine.state.count) == 0
    frames = [pipelined.frame(*one) for one in given]
    pipelined.wait()
    assert all(torch.equal(a, b) for a, b in zip(frames, expected, strict=True))
    assert all(not torch.equal(a, b) for a, b in itertools.pairwise(expected))


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("decoder", DECODERS)
def test_all_ways_make_the_same_frames(attention: str, decoder: str) -> None:
    engine = build(TOY, CPU, attention, decoder)
    expect_all_the_same(engine, TOY.memory + 2)
    pixels = engine.buffers.pixels
    assert pixels.shape == (1, TOY.frame_height, TOY.frame_width, 3) and pixels.dtype == torch.uint8
    assert pixels.float().std() > 1 and pixels.is_contiguous()


def test_a_frame_reacts_to_its_action_and_to_its_noise() -> None:
    engine = build(TOY, CPU, "factorised", "light")
    ((actions, noise), (other_actions, other_noise)) = inputs(engine, 2)
    frames = []
    for one in ((actions, noise), (other_actions, noise), (actions, other_noise)):
        engine.reset()
        engine.frame(*one)
        frames.append(engine.buffers.latents.clone())
    assert not torch.equal(frames[0], frames[1]) and not torch.equal(frames[0], frames[2])


def test_fused_kernels_make_the_frames_of_the_references(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under Triton's interpreter, which cannot multiply bfloat16."""
    pytest.importorskip("triton")
    monkeypatch.setattr(models, "DTYPE", torch.float32)
    engine = build(paper_preset("paper-platformer", 30), CPU, "full", "convolutional", steps=1)
    (given,) = inputs(engine, 1)
    frames = {}
    for kernels in ("reference", "triton"):
        engine.reset()
        with using(kernels):
            fill_memory(engine.dynamics, engine.state)
            engine.frame(*given)
        frames[kernels] = engine.buffers.latents.clone(), engine.buffers.pixels.int()
    torch.testing.assert_close(*(latents for latents, _ in frames.values()), rtol=1e-4, atol=1e-5)
    one, other = (pixels for _, pixels in frames.values())
    assert (one - other).abs().max() <= 1 and one.float().std() > 1


@pytest.mark.parametrize(("weights", "bits"), [("int8", 8), ("fp8", 16), ("int4", 4)])
def test_few_bits_are_as_far_off_fused_as_in_the_references(
    weights: str, bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("triton")
    monkeypatch.setattr(models, "DTYPE", torch.float32)
    preset, errors = paper_preset("paper-platformer", 30), []
    few, plain = build_dynamics(preset, CPU, weights=weights), build_dynamics(preset, CPU)
    for kernels in ("reference", "triton"):
        with using(kernels):
            errors.append(pass_error(few, few.new_state(1, bits), plain, plain.new_state(1)))
    assert errors[0] == pytest.approx(errors[1], rel=1e-3) and 0 < errors[0] < 0.1


def test_models_of_other_step_counts_share_their_weights() -> None:
    model = build_dynamics(TOY, CPU)
    four = sampled_in(model, 4)
    assert len(four.config.sampling_levels) == 4 and len(model.config.sampling_levels) == 1
    assert four.blocks[0] is model.blocks[0] and four.leave.weight is model.leave.weight


def test_what_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"weights must be one of bf16.*; got 'fp3'"):
        build_dynamics(TOY, CPU, weights="fp3")
    with pytest.raises(BadInputError, match="decoder must be one of convolutional, light; got 'heavy'"):
        build_drawing(TOY, CPU, "heavy")
    with pytest.raises(BadInputError, match="attention must be"):
        build_dynamics(TOY, CPU, "half")


gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@gpu
@pytest.mark.gpu
@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("shrink", [15, 3])
def test_graphs_and_streams_make_the_same_frames(attention: str, decoder: str, shrink: int) -> None:
    expect_all_the_same(build(paper_preset("paper-racing", shrink), torch.device("cuda"), attention, decoder), 12)


@gpu
@pytest.mark.gpu
def test_the_papers_size_makes_the_same_frames() -> None:
    expect_all_the_same(build(paper_preset("paper-racing"), torch.device("cuda"), "factorised", "convolutional"), 10)


@gpu
@pytest.mark.gpu
def test_fused_frames_are_near_those_of_the_references() -> None:
    engine = build(paper_preset("paper-platformer", 3), torch.device("cuda"), "full", "convolutional")
    given = inputs(engine, 4)
    fused = [engine.frame(*one).float() for one in given]
    with using("reference"):
        plain = PaperEngine(engine.dynamics, engine.dynamics.new_state(1), engine.drawing, graphs=False)
        expected = [plain.frame(*one).float() for one in given]
    for a, b in zip(fused, expected, strict=True):
        assert (a - b).abs().mean() < 1.5  # of 255; both round to bfloat16 after every operation
