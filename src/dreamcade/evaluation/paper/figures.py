"""What was measured of the paper's engine, as JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer
from dreamcade.evaluation.ceilings import Ceilings
from dreamcade.evaluation.machine import machine_name, peak_rss_mb
from dreamcade.evaluation.paper import baselines
from dreamcade.evaluation.paper.counts import (
    PASS,
    StageWork,
    frame_floor_ms,
    overlapped_floor_ms,
    stage_work,
)
from dreamcade.evaluation.paper.models import (
    DTYPE,
    only_emulates,
)
from dreamcade.evaluation.paper.plan import Built, PaperPlan
from dreamcade.evaluation.paper.presets import (
    PAPER_DEVICE_FLOPS,
    PAPER_DEVICES,
    PaperPreset,
)
from dreamcade.evaluation.paper.timing import medians
from dreamcade.kernels.choice import fuses
from dreamcade.world.low_bits import weight_bytes


def in_turn_name(steps: int) -> str:
    return f"frame, {steps}"


def overlapping_name(steps: int) -> str:
    return f"pipelined, {steps}"


def ratios(ms: Mapping[str, float], failed: Mapping[str, str], against: str, rounds: int) -> dict[str, Any]:
    """Each way of PyTorch's own in its faster memory order."""
    ways = {}
    for way in (baselines.EAGER, baselines.EAGER_GRAPH, baselines.COMPILED):
        times = {name: one for name, one in ms.items() if name == way or name.startswith(f"{way}, channels")}
        if times:
            fastest = min(times, key=lambda name: times[name])
            ways[way] = {"side": fastest, "ms": ms[fastest], "times_fused": ms[fastest] / ms[baselines.FUSED]}
    return {"against": against, "ms": dict(ms), "ways": ways, "failed": dict(failed), "rounds": rounds}


def memory_json(built: Built, device: torch.device) -> dict[str, int]:
    """Of the models, of one session's caches, and the most that was in use until now: by PyTorch on CUDA, by the whole
    process elsewhere."""
    cuda = device.type == "cuda"
    return {
        "dynamics": weight_bytes(built.model), "decoder": weight_bytes(built.drawing.module),
        "caches": built.state.nbytes(),
        "peak": torch.cuda.max_memory_allocated(device) if cuda else round(1e6 * peak_rss_mb()),
    }  # fmt: skip


def facts_json(plan: PaperPlan, built: Built, device: torch.device) -> dict[str, Any]:
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


def stage_json(work: StageWork, turns: list[float], ceilings: Ceilings) -> dict[str, Any]:
    ms = medians({"": turns})[""]
    return {
        "ms": ms, "ms_least": min(turns), "rounds": len(turns), **asdict(work), "floor_ms": work.floor_ms(ceilings),
        "compute_ms": work.compute_ms(ceilings), "memory_ms": work.memory_ms(ceilings), "bound": work.bound(ceilings),
        "of_compute": work.compute_ms(ceilings) / ms, "of_bandwidth": work.memory_ms(ceilings) / ms,
    }  # fmt: skip


def frame_json(
    plan: PaperPlan, steps: int, frames: Mapping[str, list[float]], stages: Mapping[str, list[float]], best: Ceilings
) -> dict[str, Any]:
    """What a frame takes in turn and pipelined, what its stages leave unexplained, and its floors."""
    work = stage_work(plan.preset, plan.attention, plan.decoder, steps, plan.weights, plan.cache)
    ms = medians(frames)
    in_turn, overlapping = ms[in_turn_name(steps)], ms[overlapping_name(steps)]
    staged = sum((steps if name == PASS else 1) * one for name, one in medians(stages).items())
    return {
        "ms": in_turn, "fps": 1e3 / in_turn, "pipelined_ms": overlapping, "pipelined_fps": 1e3 / overlapping,
        "rounds": len(frames[in_turn_name(steps)]), "stages_ms": staged, "between_ms": in_turn - staged,
        "floor_ms": frame_floor_ms(work, steps, best), "pipelined_floor_ms": overlapped_floor_ms(work, steps, best),
        "fps_per_tflops": 1e15 / in_turn / best.flops(DTYPE),
        "pipelined_fps_per_tflops": 1e15 / overlapping / best.flops(DTYPE),
    }  # fmt: skip


def paper_json(preset: PaperPreset) -> dict[str, Any]:
    """The paper's own figures for this game, on its devices' data sheet."""
    return {
        "source": "arXiv 2602.00608", "fps": preset.paper_fps, "devices": PAPER_DEVICES,
        "tflops_per_device": PAPER_DEVICE_FLOPS / 1e12, "fps_per_device": preset.paper_fps / PAPER_DEVICES,
        "fps_per_tflops": preset.paper_fps / PAPER_DEVICES / (PAPER_DEVICE_FLOPS / 1e12),
    }  # fmt: skip
