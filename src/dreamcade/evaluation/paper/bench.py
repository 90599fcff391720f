"""How fast the paper's engine is here: whole frames, each stage of one, and the same networks unfused, in one run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics.diffusion_config import FACTORISED
from dreamcade.dynamics.diffusion_state import DiffusionState
from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer
from dreamcade.engine.executors.capture import Replay
from dreamcade.evaluation.ceilings import Ceilings, measure_ceilings
from dreamcade.evaluation.machine import machine_name, peak_rss_mb
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.paper import baselines
from dreamcade.evaluation.paper.counts import (
    DECODE,
    PASS,
    StageWork,
    frame_floor_ms,
    overlapped_floor_ms,
    stage_work,
)
from dreamcade.evaluation.paper.engine import PaperEngine
from dreamcade.evaluation.paper.models import (
    DTYPE,
    PLAIN,
    WEIGHTS,
    ConvolutionalDrawing,
    Drawing,
    build_drawing,
    build_dynamics,
    only_emulates,
    sampled_in,
    weight_bytes,
)
from dreamcade.evaluation.paper.pipeline import PipelinedEngine
from dreamcade.evaluation.paper.presets import (
    ATTENTIONS,
    CONVOLUTIONAL,
    DECODERS,
    PAPER_DEVICE_FLOPS,
    PAPER_DEVICES,
    PaperPreset,
)
from dreamcade.evaluation.paper.stages import Work, fill_memory, one_pass, pass_error, stage_runs
from dreamcade.evaluation.paper.timing import Run, medians, repeated, times_by_turns
from dreamcade.kernels.choice import fuses

CACHE_BITS = (16, 8, 4)
MeasureCeilings = Callable[[torch.device, Iterable[torch.dtype]], Ceilings]


@dataclass(frozen=True, slots=True)
class PaperPlan:
    """What to measure. `weights` by name, `cache` in bits. Each group of figures takes about `seconds`; `compiled` also
    times `torch.compile`."""

    preset: PaperPreset
    attention: str = FACTORISED
    decoder: str = CONVOLUTIONAL
    steps: tuple[int, ...] = (1, 2, 4)
    weights: str = PLAIN
    cache: int = 16
    seconds: float = 10.0
    unfused: bool = True
    compiled: bool = False

    def __post_init__(self) -> None:
        choices = (("attention", ATTENTIONS), ("decoder", DECODERS), ("weights", tuple(WEIGHTS)))
        for name, known in choices:
            if getattr(self, name) not in known:
                raise BadInputError(f"{name} must be one of {', '.join(known)}; got {getattr(self, name)!r}")
        if self.cache not in CACHE_BITS:
            raise BadInputError(f"cache must be one of {', '.join(map(str, CACHE_BITS))} bits; got {self.cache}")
        if not self.steps or min(self.steps) < 1:
            raise BadInputError(f"steps must be whole numbers from 1, as in 1,2,4; got {self.steps}")

    @property
    def few_bits(self) -> bool:
        """Whether anything of the dynamics is kept in fewer than 16."""
        return self.weights != PLAIN or self.cache != 16


@dataclass(frozen=True, slots=True)
class Built:
    """The models on their device, and what the decoder is compared with."""

    model: DiffusionTransformer
    state: DiffusionState
    drawing: Drawing
    peer: tuple[str, torch.nn.Module] | None


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
    memory = _memory(built, device)
    plain = _in_bf16(plan, built, device)
    error = pass_error(built.model, built.state, plain.model, plain.state) if plan.few_bits else None
    unfused = _unfused(plan, built, plain, device, progress) if plan.unfused else {}
    best = before.or_better(_ceilings(ceilings, device, 1, progress))
    work = stage_work(plan.preset, plan.attention, plan.decoder, 1, plan.weights, plan.cache)
    return {
        **_facts(plan, built, device), "error": error, "ceilings": best.to_json(), "memory_bytes": memory,
        "stages": {name: _stage_json(one, stages[name], best) for name, one in work.items()},
        "frames": {str(steps): _frame_json(plan, steps, frames, stages, best) for steps in plan.steps},
        "unfused": unfused, "paper": _paper_json(plan.preset),
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

    return {_in_turn(steps): in_turn, _overlapping(steps): overlapping}


def _in_turn(steps: int) -> str:
    return f"frame, {steps}"


def _overlapping(steps: int) -> str:
    return f"pipelined, {steps}"


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
        found[stage] = _ratios(medians(times), failed, name, len(times[baselines.FUSED]))
    return found


def _pass_of(built: Built) -> Callable[[DiffusionTransformer], Work]:
    return lambda model: one_pass(model, built.state)


def _dynamics_sides(plan: PaperPlan, built: Built, device: torch.device) -> dict[str, Callable[[], Work]]:
    return baselines.dynamics_sides(built.model, _pass_of(built), device, plan.compiled)


def _ratios(ms: Mapping[str, float], failed: Mapping[str, str], against: str, rounds: int) -> dict[str, Any]:
    """Each way of PyTorch's own in its faster memory order."""
    ways = {}
    for way in (baselines.EAGER, baselines.EAGER_GRAPH, baselines.COMPILED):
        times = {name: one for name, one in ms.items() if name == way or name.startswith(f"{way}, channels")}
        if times:
            fastest = min(times, key=lambda name: times[name])
            ways[way] = {"side": fastest, "ms": ms[fastest], "times_fused": ms[fastest] / ms[baselines.FUSED]}
    return {"against": against, "ms": dict(ms), "ways": ways, "failed": dict(failed), "rounds": rounds}


def _memory(built: Built, device: torch.device) -> dict[str, int]:
    """Of the models, of one session's caches, and the most that was in use until now: by PyTorch on CUDA, by the whole
    process elsewhere."""
    cuda = device.type == "cuda"
    return {
        "dynamics": weight_bytes(built.model), "decoder": weight_bytes(built.drawing.module),
        "caches": built.state.nbytes(),
        "peak": torch.cuda.max_memory_allocated(device) if cuda else round(1e6 * peak_rss_mb()),
    }  # fmt: skip


def _facts(plan: PaperPlan, built: Built, device: torch.device) -> dict[str, Any]:
    preset, fused = plan.preset, fuses(built.state.count)
    return {
        "preset": preset.name, "shrink": preset.shrink, "frame_size": [preset.frame_width, preset.frame_height],
        "sizes": {**asdict(preset), "decoder_widths": list(preset.decoder_widths)},
        "tokens": built.model.config.tokens,
        "parameters": _parameters(built.model),
        "attention": plan.attention, "decoder": plan.decoder, "weights": plan.weights,
        "cache_bits": plan.cache, "emulated": only_emulates(plan.weights, device),
        "kernels": "triton" if fused else "reference", "graphs": device.type == "cuda", "seconds": plan.seconds,
        "device": str(device), "threads": torch.get_num_threads(), "machine": machine_name(device),
    }  # fmt: skip


def _parameters(model: DiffusionTransformer) -> int:
    """However they are kept."""
    with torch.device("meta"):
        return sum(p.numel() for p in DiffusionTransformer(model.config).parameters())


def _stage_json(work: StageWork, turns: list[float], ceilings: Ceilings) -> dict[str, Any]:
    ms = medians({"": turns})[""]
    return {
        "ms": ms, "ms_least": min(turns), "rounds": len(turns), **asdict(work), "floor_ms": work.floor_ms(ceilings),
        "compute_ms": work.compute_ms(ceilings), "memory_ms": work.memory_ms(ceilings), "bound": work.bound(ceilings),
        "of_compute": work.compute_ms(ceilings) / ms, "of_bandwidth": work.memory_ms(ceilings) / ms,
    }  # fmt: skip


def _frame_json(
    plan: PaperPlan, steps: int, frames: Mapping[str, list[float]], stages: Mapping[str, list[float]], best: Ceilings
) -> dict[str, Any]:
    """What a frame takes in turn and pipelined, what its stages leave unexplained, and its floors."""
    work = stage_work(plan.preset, plan.attention, plan.decoder, steps, plan.weights, plan.cache)
    ms = medians(frames)
    in_turn, overlapping = ms[_in_turn(steps)], ms[_overlapping(steps)]
    staged = sum((steps if name == PASS else 1) * one for name, one in medians(stages).items())
    return {
        "ms": in_turn, "fps": 1e3 / in_turn, "pipelined_ms": overlapping, "pipelined_fps": 1e3 / overlapping,
        "rounds": len(frames[_in_turn(steps)]), "stages_ms": staged, "between_ms": in_turn - staged,
        "floor_ms": frame_floor_ms(work, steps, best), "pipelined_floor_ms": overlapped_floor_ms(work, steps, best),
        "fps_per_tflops": 1e15 / in_turn / best.flops(DTYPE),
        "pipelined_fps_per_tflops": 1e15 / overlapping / best.flops(DTYPE),
    }  # fmt: skip


def _paper_json(preset: PaperPreset) -> dict[str, Any]:
    """The paper's own figures for this game, on its devices' data sheet."""
    return {
        "source": "arXiv 2602.00608", "fps": preset.paper_fps, "devices": PAPER_DEVICES,
        "tflops_per_device": PAPER_DEVICE_FLOPS / 1e12, "fps_per_device": preset.paper_fps / PAPER_DEVICES,
        "fps_per_tflops": preset.paper_fps / PAPER_DEVICES / (PAPER_DEVICE_FLOPS / 1e12),
    }  # fmt: skip
