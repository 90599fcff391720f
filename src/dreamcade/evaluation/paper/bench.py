"""How fast the paper's engine is here: whole frames, each stage of one, and the same networks unfused, in one run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import torch

from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer
from dreamcade.engine.executors.capture import Replay
from dreamcade.evaluation.ceilings import Ceilings, measure_ceilings
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.paper import baselines
from dreamcade.evaluation.paper.counts import (
    DECODE,
    PASS,
    stage_work,
)
from dreamcade.evaluation.paper.engine import PaperEngine
from dreamcade.evaluation.paper.figures import (
    facts_json,
    frame_json,
    in_turn_name,
    memory_json,
    overlapping_name,
    paper_json,
    ratios,
    stage_json,
)
from dreamcade.evaluation.paper.models import (
    DTYPE,
    PLAIN,
    ConvolutionalDrawing,
    Drawing,
    build_drawing,
    build_dynamics,
    only_emulates,
    sampled_in,
)
from dreamcade.evaluation.paper.pipeline import PipelinedEngine
from dreamcade.evaluation.paper.plan import Built, PaperPlan
from dreamcade.evaluation.paper.presets import (
    CONVOLUTIONAL,
    PaperPreset,
)
from dreamcade.evaluation.paper.stages import Work, fill_memory, one_pass, pass_error, stage_runs
from dreamcade.evaluation.paper.timing import Run, medians, repeated, times_by_turns

MeasureCeilings = Callable[[torch.device, Iterable[torch.dtype]], Ceilings]


def bench_paper(
    plan: PaperPlan,
    device: torch.device,
    progress: Progress = lambda what, done, total: None,
    ceilings: MeasureCeilings = measure_ceilings,
) -> dict[str, Any]:
    """All figures as JSON values. Raises `BadInputError` for an attention, decoder, weights or steps there are not."""
    built = _build(plan, device, progress)
    if device.type == "cuda":  # from here on: bfloat16 weights that were packed are gone
        torch.cuda.reset_peak_memory_stats(device)
    before = _ceilings(ceilings, device, 0, progress)
    frames, stages = _measure(plan, built, device, progress)
    memory = memory_json(built, device)
    plain = _in_bf16(plan, built, device)
    error = pass_error(built.model, built.state, plain.model, plain.state) if plan.few_bits else None
    unfused = _unfused(plan, built, plain, device, progress) if plan.unfused else {}
    best = before.or_better(_ceilings(ceilings, device, 1, progress))
    work = stage_work(plan.preset, plan.attention, plan.decoder, 1, plan.weights, plan.cache)
    return {
        **facts_json(plan, built, device), "error": error, "ceilings": best.to_json(), "memory_bytes": memory,
        "stages": {name: stage_json(one, stages[name], best) for name, one in work.items()},
        "frames": {str(steps): frame_json(plan, steps, frames, stages, best) for steps in plan.steps},
        "unfused": unfused, "paper": paper_json(plan.preset),
    }  # fmt: skip


def _build(plan: PaperPlan, device: torch.device, progress: Progress) -> Built:
    progress("random weights", 0, 3)
    model = build_dynamics(plan.preset, device, plan.attention, plan.weights)
    progress("random weights", 1, 3)
    drawing, peer = build_drawing(plan.preset, device, plan.decoder), None
    if plan.decoder == CONVOLUTIONAL and plan.unfused:
        peer, drawing = _with_peer(plan.preset, drawing, device)
    progress("random weights", 2, 3)
    state = model.new_state(1, plan.cache)
    progress("random weights", 3, 3)
    return Built(model, state, drawing, peer)


def _in_bf16(plan: PaperPlan, built: Built, device: torch.device) -> Built:
    """The same dynamics with all weights and caches in bfloat16, its memory full; what was built, if it is that."""
    if not plan.few_bits:
        return built
    model = built.model if plan.weights == PLAIN else build_dynamics(plan.preset, device, plan.attention)
    state = model.new_state(1)
    fill_memory(model, state)
    return dataclasses.replace(built, model=model, state=state)


def _with_peer(
    preset: PaperPreset, drawing: Drawing, device: torch.device
) -> tuple[tuple[str, torch.nn.Module], Drawing]:
    """The decoder to compare with, and ours with its weights, packed anew."""
    assert isinstance(drawing, ConvolutionalDrawing)
    peer = baselines.peer_of(drawing.module, device)
    return peer, ConvolutionalDrawing.fused(drawing.module)


def _ceilings(measure: MeasureCeilings, device: torch.device, done: int, progress: Progress) -> Ceilings:
    """Measured before and after everything else: the better counts."""
    progress("the machine's ceilings", done, 2)
    found = measure(device, [DTYPE])
    progress("the machine's ceilings", done + 1, 2)
    return found


def _measure(
    plan: PaperPlan, built: Built, device: torch.device, progress: Progress
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Milliseconds of every turn, of frames and of stages."""
    sides: dict[str, Run] = {}
    said = "compile and capture" if device.type == "cuda" else "first frames"
    for done, steps in enumerate(plan.steps):
        progress(said, done, len(plan.steps))
        sides |= _frame_sides(sampled_in(built.model, steps), steps, built)
    progress(said, len(plan.steps), len(plan.steps))
    fill_memory(built.model, built.state)
    runs = stage_runs(built.model, built.state, built.drawing)
    sides |= {name: repeated(run) for name, run in runs.items()}
    times = times_by_turns(sides, device, plan.seconds, "frames and stages", progress)
    return {name: ms for name, ms in times.items() if name not in runs}, {name: times[name] for name in runs}


def _frame_sides(model: DiffusionTransformer, steps: int, built: Built) -> dict[str, Run]:
    """Frames of random noise and actions, in turn and pipelined."""
    engine = PaperEngine(model, built.state, built.drawing)
    pipelined = PipelinedEngine(engine)
    actions, noise = torch.zeros_like(engine.buffers.actions), torch.zeros_like(engine.buffers.noise)

    def in_turn(count: int) -> None:
        for _ in range(count):
            engine.frame(actions.uniform_(-1, 1), noise.normal_())

    def overlapping(count: int) -> None:
        for _ in range(count):
            pipelined.frame(actions.uniform_(-1, 1), noise.normal_())
        pipelined.wait()

    return {in_turn_name(steps): in_turn, overlapping_name(steps): overlapping}


def _unfused(plan: PaperPlan, built: Built, plain: Built, device: torch.device, progress: Progress) -> dict[str, Any]:
    """A pass, and a picture, of our path and of PyTorch's own in bfloat16, by turns; no pass that is only emulated."""
    latents = torch.randn(1, *plan.preset.latent_shape, device=device)
    groups: dict[str, tuple[Work, dict[str, Callable[[], Work]], str]] = {}
    if not only_emulates(plan.weights, device):
        name = "the same dynamics in bf16" if plan.few_bits else "the same dynamics"
        groups[PASS] = (_pass_of(built)(built.model), _dynamics_sides(plan, plain, device), name)
    if built.peer is not None:
        name, peer = built.peer
        sides = baselines.decoder_sides(peer, latents, plan.compiled)
        groups[DECODE] = (lambda: built.drawing.decode(latents), sides, name)
    found = {}
    for stage, (ours, sides, name) in groups.items():
        progress(f"{stage}: prepare the unfused", 0, 1)
        built_sides, failed = baselines.build_sides(sides)
        progress(f"{stage}: prepare the unfused", 1, 1)
        fused: Work = Replay(torch.inference_mode()(ours), device)
        runs = {name: repeated(run) for name, run in {baselines.FUSED: fused, **built_sides}.items()}
        times = times_by_turns(runs, device, plan.seconds, f"{stage}: by turns", progress)
        found[stage] = ratios(medians(times), failed, name, len(times[baselines.FUSED]))
    return found


def _pass_of(built: Built) -> Callable[[DiffusionTransformer], Work]:
    return lambda model: one_pass(model, built.state)


def _dynamics_sides(plan: PaperPlan, built: Built, device: torch.device) -> dict[str, Callable[[], Work]]:
    return baselines.dynamics_sides(built.model, _pass_of(built), device, plan.compiled)
