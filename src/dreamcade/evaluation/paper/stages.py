"""The parts of a frame as functions that can be run again and again, each captured as a graph on CUDA."""

from __future__ import annotations

from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor

from dreamcade.dynamics.diffusion_blocks import Moment
from dreamcade.dynamics.diffusion_state import DiffusionState
from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer
from dreamcade.engine.executors.capture import Replay
from dreamcade.evaluation.paper.counts import DECODE, PASS, PIXELS, SHARED, WRITE
from dreamcade.evaluation.paper.models import Drawing
from dreamcade.kernels.rotary import rotary_table

Work = Callable[[], object]


def fill_memory(model: DiffusionTransformer, state: DiffusionState) -> None:
    """As many random frames as the rings hold: all through play they are full."""
    generator = torch.Generator(state.count.device).manual_seed(2)
    device, config = state.count.device, model.config
    for _ in range(max(config.memory, config.recent)):
        latents = torch.randn(state.batch, *config.latent_shape, device=device, generator=generator)
        actions = torch.rand(state.batch, config.action_size, device=device, generator=generator)
        model.observe(state, latents, actions)


def stage_runs(model: DiffusionTransformer, state: DiffusionState, drawing: Drawing) -> dict[str, Work]:
    """Of a state whose memory is full, which the cache writes go on changing. The pass is one step's."""
    latents = torch.randn(state.batch, *model.config.latent_shape, device=state.count.device)
    with torch.inference_mode():
        decoded = drawing.decode(latents)
    runs: dict[str, Work] = {
        SHARED: lambda: shared_by_passes(model, state),
        PASS: one_pass(model, state),
        WRITE: lambda: model.observe(state, latents, state.actions[:, -1]),
        DECODE: lambda: drawing.decode(latents),
        PIXELS: lambda: drawing.to_pixels(decoded),
    }
    return {name: Replay(torch.inference_mode()(run), state.count.device) for name, run in runs.items()}


def shared_by_passes(model: DiffusionTransformer, state: DiffusionState) -> tuple[Tensor, Tensor]:
    """The newest frames' embedding `[B, L, D]` and the modulations of all steps `[steps, B, rows, D]`."""
    recent = rearrange(state.recent(), "b r l p -> b l (r p)")
    shared = model.embed_recent(recent.to(model.leave.weight.dtype))
    return shared, model.modulation_rows(state.actions, model.config.sampling_levels)


@torch.inference_mode()
def one_pass(model: DiffusionTransformer, state: DiffusionState) -> Callable[[], Tensor]:
    """A sampling step from noise, the same every time, of the frame that is next now."""
    shared, rows = shared_by_passes(model, state)
    number = state.count.clone()
    moment = Moment(number, *rotary_table(number, model.places, model.frames))
    shape = state.batch, model.config.tokens, model.config.token_size
    generator = torch.Generator(number.device).manual_seed(3)
    noisy, first = torch.randn(shape, device=number.device, generator=generator), rows[0]
    return lambda: model.denoise(shared, noisy, first, state, moment)


@torch.inference_mode()
def pass_error(
    model: DiffusionTransformer, state: DiffusionState, plain: DiffusionTransformer, plain_state: DiffusionState
) -> float:
    """How far a pass of `model` is from one of `plain` on the same frames, actions and noise: the norm of the
    difference over that of plain's. Both states are filled anew."""
    made = []
    for one, memory in ((model, state), (plain, plain_state)):
        memory.reset()
        fill_memory(one, memory)
        made.append(one_pass(one, memory)())
    return float((made[0] - made[1]).norm() / made[1].norm())
