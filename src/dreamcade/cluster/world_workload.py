"""What a frame of a world takes, counted while networks of its sizes make one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dreamcade.cluster.counting import Borders, Counted, count, count_borders
from dreamcade.cluster.workload import FLOAT16, Workload
from dreamcade.codec import Codec, CodecConfig
from dreamcade.dynamics import Dynamics, DynamicsConfig
from dreamcade.dynamics.dynamics import Context
from dreamcade.world.world import World

ATTENTION = "spatial"
"""Of a world's dynamics: within the frame, and of each place to itself in the past."""


def world_workload(world: World, steps: int | None = None) -> Workload:
    """Of a world in bfloat16, with so many sampling steps or its own. Its extrapolation's share of frames is not known:
    it depends on what is played."""
    manifest = world.manifest
    return _workload(
        manifest.name, world.dynamics.config, world.codec.config, world.frame_size, steps or manifest.sampling_steps,
        world.tick_rate,
    )  # fmt: skip


def _workload(
    name: str, dynamics: DynamicsConfig, codec: CodecConfig, size: tuple[int, int], steps: int, tick_rate: float
) -> Workload:
    # Not on `meta` tensors: how things move is measured in steps that have to know the device.
    model, coder = Dynamics(dynamics).bfloat16().eval(), Codec(codec).bfloat16().eval()
    embedding, one = _once(model), _pass(model)
    latents = torch.zeros(1, *dynamics.latent_shape, dtype=torch.bfloat16)
    drawing, borders = count(lambda: coder.decode_pixels(latents)), _borders(coder, latents)
    attention = 4 * dynamics.depth * dynamics.tokens**2 * dynamics.width
    between = 4 * FLOAT16 * dynamics.tokens * dynamics.width
    memory = 2 * len(dynamics.memory_layers) * dynamics.memory * dynamics.tokens * dynamics.width
    return Workload(
        name, *size, dynamics.tokens, dynamics.heads, dynamics.width // dynamics.heads, dynamics.depth, steps,
        dynamics.memory, ATTENTION,
        token_flops=max(0, one.flops - attention), head_flops=attention, frame_flops=embedding.flops,
        weight_bytes=_bytes(model), cache_bytes=FLOAT16 * memory,
        token_bytes=max(0, one.bytes - _bytes(model.transformer) - FLOAT16 * memory),
        dit_activation_bytes=max(one.peak, embedding.peak),
        launches=one.launches, frame_launches=embedding.launches,
        exchanges=2 * dynamics.depth + 1,
        exchange_bytes=between * dynamics.depth + FLOAT16 * dynamics.tokens * dynamics.latent_channels,
        latent_bytes=FLOAT16 * dynamics.tokens * dynamics.latent_channels,
        decoder_flops=drawing.flops, decoder_bytes=drawing.bytes,
        decoder_weight_bytes=_bytes(*_drawing(coder)),
        decoder_activation_bytes=drawing.peak, decoder_launches=drawing.launches,
        decoder_rows=dynamics.latent_height,
        halo_bytes=borders.bytes, halo_exchanges=borders.exchanges, decoder_reductions=borders.reductions,
        decoder_gather_bytes=borders.gathered,
        tick_rate=tick_rate,
        whole_on_hosts=True,
    )  # fmt: skip


def _context(model: Dynamics) -> Context:
    config = model.config
    memory = torch.zeros(1, config.memory, config.tokens, config.width, dtype=torch.bfloat16)
    return Context(
        torch.zeros(1, config.recent, config.tokens, config.latent_channels, dtype=torch.bfloat16),
        torch.zeros(1, config.action_history, config.action_size, dtype=torch.bfloat16),
        [(memory, memory) for _ in config.memory_layers],
        torch.zeros(1, config.memory, dtype=torch.int64),
    )


def _once(model: Dynamics) -> Counted:
    """What all steps share."""
    context = _context(model)
    return count(lambda: model.embed(context))


@torch.no_grad()
def _pass(model: Dynamics) -> Counted:
    context = _context(model)
    embedded, level, noisy = model.embed(context), context.latest.new_ones(1), context.latest
    return count(lambda: model.denoise(embedded, context, noisy, level))


@torch.no_grad()
def _borders(codec: Codec, latents: Tensor) -> Borders:
    with count_borders(*_drawing(codec)) as borders:
        codec.decode_pixels(latents)
    return borders


def _drawing(codec: Codec) -> list[nn.Module]:
    """What a frame is drawn by; the encoder is not."""
    return [part for part in (codec.decoder, codec.detail) if part is not None]


def _bytes(*modules: nn.Module) -> int:
    return sum(parameter.nbytes for module in modules for parameter in module.parameters())
