"""How fast each fused kernel of the dynamics is at a preset's size, beside PyTorch's operations and its compiler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamcade.dynamics.diffusion_config import FULL, DiffusionTransformerConfig
from dreamcade.dynamics.diffusion_flops import attention_flops
from dreamcade.evaluation.ceilings import Ceilings
from dreamcade.evaluation.paper.models import DTYPE, only_emulates
from dreamcade.evaluation.paper.presets import PaperPreset
from dreamcade.kernels.adaln import gate_residual_rms_modulate, modulations, rms_modulate
from dreamcade.kernels.choice import using
from dreamcade.kernels.decoder_block_timing import CALLS, ROUNDS, milliseconds
from dreamcade.kernels.low_bits import linear
from dreamcade.kernels.packed_layers import Bits, pack_weight
from dreamcade.kernels.ring_attention import place_attention, ring_attention
from dreamcade.kernels.ring_cache import Ring, norm_rope_write
from dreamcade.kernels.rotary import rotary_table, rotary_turns

Run = Callable[[], Any]
SMALL_LINEAR = (54, 192, 768)
"""Rows, inputs and outputs of a layer of the shipped worlds."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One kernel and what PyTorch would run in its place; `bytes` are the least that must move, each tensor once."""

    name: str
    fused: Run
    plain: Run
    bytes: int
    flops: int = 0
    eight_bits: bool = False
    emulated: bool = False


def operations(preset: PaperPreset, device: torch.device) -> Iterator[Operation]:
    """AdaLN, the cache write, both attentions in all bits of a cache, and linear layers in few bits.

    A linear layer's plain side is the same layer in bfloat16; the others' is the reference.
    """
    config = preset.dynamics(FULL)
    yield from _adaln(config, device)
    for bits in (16, 8, 4):
        yield from _attention(config, bits, device)
    wide = config.width, config.hidden
    for rows, inputs, outputs in ((config.tokens, *wide), SMALL_LINEAR, (1, *wide)):
        yield from _linears(rows, inputs, outputs, device)


@torch.no_grad()
def time_operation(
    one: Operation, device: torch.device, ceilings: Ceilings, compiled: bool, rounds: int = ROUNDS, calls: int = CALLS
) -> dict[str, Any]:
    """Milliseconds of every side and what the fused one reaches, as JSON values.

    On CUDA every side replays as a graph. Shares of the ceilings may exceed one: what fits into a cache stays there
    from one replay to the next.
    """
    sides = {"fused": (one.fused, "auto"), "eager": (one.plain, "reference")}
    if compiled:
        sides["compiled"] = torch.compile(one.plain, dynamic=False), "reference"
    times, failed = {}, {}
    for side, (run, kernels) in sides.items():
        try:
            with using(kernels):
                times[side] = milliseconds(run, device, rounds, calls)
        except Exception as error:  # one that cannot be built or run here is told, and does not stop the others
            failed[side] = f"{type(error).__name__}: {_first_line(error)}"
    found: dict[str, Any] = {
        "ms": times, "failed": failed, "bytes": one.bytes, "flops": one.flops, "emulated": one.emulated
    }  # fmt: skip
    if "fused" in times:
        seconds = times["fused"] / 1e3
        peak = ceilings.flops(DTYPE) * (2 if one.eight_bits else 1)
        found["of_copy"], found["of_peak"] = one.bytes / seconds / ceilings.memory, one.flops / seconds / peak
        if not one.emulated:
            found["times_fused"] = {side: ms / times["fused"] for side, ms in times.items()}
    return found


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")


def _adaln(config: DiffusionTransformerConfig, device: torch.device) -> Iterator[Operation]:
    tokens, width, outputs = config.tokens, config.width, config.modulation_rows * config.width
    x, y = _normal(device, 1, tokens, width), _normal(device, 1, tokens, width)
    rows = _normal(device, 3, 1, width)
    gate, scale, shift = rows.unbind()
    condition, bias = _normal(device, 1, config.condition_width), _normal(device, outputs)
    weight = _normal(device, outputs, config.condition_width)
    product = condition.nbytes + weight.nbytes + 2 * bias.nbytes

    def together(name: str, run: Run, moved: int, flops: int = 0) -> Operation:
        return Operation(name, run, run, moved, flops)

    yield together("modulations", lambda: modulations(condition, weight, bias), product, 2 * weight.numel())
    yield together("rms_modulate", lambda: rms_modulate(x, scale, shift), 2 * x.nbytes + 2 * scale.nbytes)
    yield together(
        "gate_residual_rms_modulate", lambda: gate_residual_rms_modulate(x, gate, y, scale, shift),
        4 * x.nbytes + rows.nbytes,
    )  # fmt: skip


def _attention(config: DiffusionTransformerConfig, bits: int, device: torch.device) -> Iterator[Operation]:
    """With a full ring of `bits`."""
    tokens, sizes = config.tokens, (config.tokens, config.head_dim)
    ring = Ring.empty(1, config.heads, config.memory, *sizes, bits=bits, device=device, dtype=DTYPE)
    own = Ring.empty(1, config.heads, 1, *sizes, device=device, dtype=DTYPE)
    number = torch.zeros(1, dtype=torch.int64, device=device)
    places, frames = (turns.to(device) for turns in rotary_turns(config.head_dim, *config.grid))
    cos, sin = rotary_table(number, places, frames)
    qkv, weight = _normal(device, 1, tokens, 3 * config.width), _normal(device, config.head_dim)

    def write(into: Ring, slot: Tensor) -> Tensor:
        return norm_rope_write(qkv, into, slot, weight, weight, cos, sin)

    for slot in range(config.memory):
        query = write(ring, number + slot)
    write(own, number)
    full, held = number + config.memory, sum(t.nbytes for t in ring.tensors().values())
    moved = qkv.nbytes + query.nbytes + cos.nbytes + sin.nbytes + held // config.memory
    runs: tuple[tuple[str, Run, int, int], ...] = (
        ("norm_rope_write", lambda: write(ring, number), moved, 0),
        (
            "ring_attention", lambda: ring_attention(query, ring, full, own),
            2 * query.nbytes + held + own.keys.nbytes + own.values.nbytes, attention_flops(config),
        ),
        (
            "place_attention", lambda: place_attention(query, ring, full), 2 * query.nbytes + held,
            4 * tokens * config.memory * config.width,
        ),
    )  # fmt: skip
    for name, run, least, flops in runs:
        yield Operation(f"{name}, {bits} bits", run, run, least, flops)


def _linears(rows: int, inputs: int, outputs: int, device: torch.device) -> Iterator[Operation]:
    x, weight = _normal(device, 1, rows, inputs), _normal(device, outputs, inputs)
    ends = x.nbytes + rows * outputs * DTYPE.itemsize
    for bits in Bits:
        packed = pack_weight(weight, bits)
        yield Operation(
            f"linear {bits.value}, {rows}x{inputs}->{outputs}",
            lambda packed=packed: linear(x, packed, None),  # type: ignore[misc]
            lambda: F.linear(x, weight),
            ends + packed.nbytes,
            2 * rows * inputs * outputs,
            bits is not Bits.INT4,
            only_emulates(bits, device),
        )


def _normal(device: torch.device, *shape: int) -> Tensor:
    generator = torch.Generator(device).manual_seed(0)
    return torch.randn(shape, device=device, generator=generator).to(DTYPE)
