"""What there is to measure under a name: the stages of a world, or of a preset that was registered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn

from dreamcade.core.device import cpu_threads, resolve_device
from dreamcade.core.errors import BadInputError
from dreamcade.engine.engine import Engine
from dreamcade.evaluation.paper.models import ConvolutionalDrawing, build_dynamics, plain_decoder, sampled_in
from dreamcade.evaluation.paper.presets import PAPER_PRESETS, paper_preset
from dreamcade.evaluation.paper.stages import fill_memory
from dreamcade.kernels.choice import using
from dreamcade.kernels.names import Kernels
from dreamcade.world.world import World


@dataclass(frozen=True, slots=True)
class Subject:
    """Named stages that can be run again and again, and the modules that give their operations names."""

    name: str
    stages: Mapping[str, Callable[[], object]]
    modules: Mapping[str, nn.Module]
    device: torch.device
    played: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    """The stages as they are played, where that is another way."""
    path: str = ""
    """What plays them, for people."""


Preset = Callable[[torch.device, int | None, int], Subject]
"""Builds a model that is no world on a device, with so many sampling steps (none: its own), shrunk so many times."""


def stages_of(
    name: str, device: str = "auto", steps: int | None = None, threads: int | None = None, shrink: int = 1
) -> Subject:
    """A preset by its name, which can be shrunk, or a world: a shipped name, a folder or a hub id. PyTorch is set to so
    many `threads`, or, with none, to all cores of this process.

    Raises `UnknownNameError` or `WorldError`, as `World.load` does, and `BadInputError` for a shrunk world.
    """
    if name in PRESETS:
        subject = PRESETS[name](resolve_device(device), steps, shrink)
    elif shrink != 1:
        raise BadInputError(f"only a preset can be shrunk ({', '.join(PRESETS)}); {name!r} is a world")
    else:
        subject = world_stages(World.load(name), device, steps)
    torch.set_num_threads(threads or cpu_threads())
    return subject


def paper_stages(name: str, device: torch.device, steps: int | None = None, shrink: int = 1) -> Subject:
    """The paper's engine with random weights, one step if nothing is said: the dynamics' frame, cache write included,
    and its decoding to pixels by the convolutional decoder, in plain PyTorch (fused kernels cannot be looked into); as
    played on a GPU, in fused kernels."""
    preset, plain = paper_preset(name, shrink), plain_decoder(paper_preset(name, shrink), device)
    dynamics, drawing = sampled_in(build_dynamics(preset, device), steps or 1), ConvolutionalDrawing(plain, plain)
    state, config = dynamics.new_state(1), dynamics.config
    fill_memory(dynamics, state)
    actions = torch.zeros(1, config.action_size, device=device)
    noise = torch.randn(len(config.sampling_levels), 1, config.tokens, config.token_size, device=device)
    latents = torch.randn(1, *preset.latent_shape, device=device)
    stages: dict[str, Callable[[], object]] = {
        "dynamics": lambda: dynamics.step(state, actions, noise),
        "decode": lambda: drawing.to_pixels(drawing.decode(latents)),
    }
    modules: dict[str, nn.Module] = {"dynamics": dynamics, "decoder": plain}
    if device.type != "cuda":
        return Subject(name, stages, modules, device)
    fused = ConvolutionalDrawing.fused(plain)
    played = {
        "dynamics": stages["dynamics"],
        "decode": lambda: fused.to_pixels(fused.decode(latents)),
    }
    fast = {stage: _on_fused_kernels(work) for stage, work in played.items()}
    return Subject(name, stages, modules, device, fast, "Triton kernels")


def _on_fused_kernels(work: Callable[[], object]) -> Callable[[], object]:
    def run() -> object:
        with using(Kernels.AUTO):
            return work()

    return run


PRESETS: dict[str, Preset] = {name: partial(paper_stages, name) for name in PAPER_PRESETS}
"""Models that are no worlds, by name."""


def world_stages(world: World, device: str = "auto", steps: int | None = None) -> Subject:
    """A tick of one session as the engine computes it: the dynamics' pass, the decoding of its latent to pixels, and,
    which play asks for only at its start, the encoding of a frame."""
    # Plain PyTorch: of a compiled network or a captured graph no operation could be seen.
    plain = Engine(world, device=device, sampling_steps=steps, kernels=Kernels.REFERENCE)
    played = Engine(world, device=device, sampling_steps=steps)
    stages, fast = _stages(plain), _stages(played)
    modules: dict[str, nn.Module] = {"dynamics": plain.passes.dynamics, "codec": plain.passes.codec}
    if played.path == plain.path:
        return Subject(world.manifest.name, stages, modules, plain.device)
    quick = {name: fast[name] for name in ("dynamics", "decode")}  # the encoder is run as it is written
    return Subject(world.manifest.name, stages, modules, plain.device, quick, played.path)


def _stages(engine: Engine) -> dict[str, Callable[[], object]]:
    world = engine.world
    session, idle = engine.open_session(seed=0), world.controls.idle()
    for _ in range(world.dynamics.config.memory):  # the memory is full, as it is all through play
        session.step(idle)
    passes = engine.passes
    dreamed = passes.compute([(session, idle)])[0].dreamed
    width, height = world.frame_size
    frame = torch.zeros(1, 1, 3, height, width, device=engine.device, dtype=passes.codec.mean.dtype)
    return {
        "dynamics": lambda: passes.compute([(session, idle)]),
        "decode": lambda: passes.draw([dreamed]),
        "encode": lambda: passes.codec.encode(frame),
    }
