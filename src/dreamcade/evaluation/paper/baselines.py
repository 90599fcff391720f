"""What the fused engine is compared with: the same networks in PyTorch's own operations, eagerly and compiled."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dreamcade.codec.convolutional import ConvolutionalDecoder
from dreamcade.codec.diffusers_weights import load_diffusers
from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer
from dreamcade.engine.executors.capture import Replay
from dreamcade.evaluation.paper.models import DTYPE, seeded
from dreamcade.evaluation.paper.stages import Work
from dreamcade.kernels.choice import using

FUSED, EAGER, EAGER_GRAPH, COMPILED = "fused", "eager", "eager, one graph", "compiled"
"""`fused` is what the engine runs; it and `compiled` are one graph each where there are graphs. On a CPU, which has
neither these nor fused kernels, it is the references."""
LAST, FIRST = "channels last", "channels first"


def has_diffusers() -> bool:
    """Whether the extra `paper` is installed."""
    return importlib.util.find_spec("diffusers") is not None


def diffusers_decoder(plain: ConvolutionalDecoder, device: torch.device) -> nn.Module:
    """The decoder of a `diffusers.AutoencoderKL` of the same size; `plain` takes over its weights."""
    from diffusers import AutoencoderKL  # imported here: it is an extra, and slow to load

    config = plain.config
    with seeded():
        whole: Any = AutoencoderKL(  # type: ignore[no-untyped-call]
            down_block_types=len(config.widths) * ("DownEncoderBlock2D",),
            up_block_types=len(config.widths) * ("UpDecoderBlock2D",),
            block_out_channels=config.widths,
            layers_per_block=config.resnets - 1,
            latent_channels=config.latent_channels,
            norm_num_groups=config.groups,
            use_quant_conv=False,
            use_post_quant_conv=False,
        )
    theirs: nn.Module = whole.decoder.eval().requires_grad_(False)
    load_diffusers(plain, theirs.state_dict())
    return theirs.to(device, DTYPE)


def peer_of(plain: ConvolutionalDecoder, device: torch.device) -> tuple[str, nn.Module]:
    """The decoder to compare with and its name: diffusers', whose weights `plain` takes over, or `plain` itself."""
    if has_diffusers():
        return "diffusers", diffusers_decoder(plain, device)
    return "plain PyTorch (diffusers is not installed: dreamcade[paper])", plain


def decoder_sides(peer: nn.Module, latents: Tensor, compiled: bool) -> dict[str, Callable[[], Work]]:
    """How to build each unfused side, in either memory order: it keeps its own copy of the weights."""
    sides: dict[str, Callable[[], Work]] = {}
    for order, layout in ((LAST, torch.channels_last), (FIRST, torch.contiguous_format)):
        model = copy.deepcopy(peer).to(memory_format=layout)  # type: ignore[call-overload]
        given = latents.to(DTYPE, memory_format=layout)
        sides |= _ways(partial(model, given), order, latents.device)
        if compiled:
            sides[f"{COMPILED}, {order}"] = _captured(
                partial(torch.compile(model, dynamic=False), given), latents.device
            )
    return sides


def dynamics_sides(
    model: DiffusionTransformer, work: Callable[[DiffusionTransformer], Work], device: torch.device, compiled: bool
) -> dict[str, Callable[[], Work]]:
    """How to build each unfused side: `work` of the model on the references, and of one with compiled blocks."""
    sides = _ways(work(model), "", device)
    if compiled:
        sides[COMPILED] = lambda: _captured(work(with_compiled_blocks(model)), device)()
    return sides


def with_compiled_blocks(model: DiffusionTransformer) -> DiffusionTransformer:
    """The same model, weights shared, with blocks that `torch.compile` has fused: compiled once for all of them, each
    whole, from the references."""
    other = copy.copy(model)
    other._modules = dict(model._modules)
    other.blocks = nn.ModuleList(_compiled(block) for block in model.blocks)
    return other


def _compiled(module: nn.Module) -> nn.Module:
    quick = torch.compile(module, dynamic=False, fullgraph=True)
    assert isinstance(quick, nn.Module)
    return quick


def build_sides(sides: Mapping[str, Callable[[], Work]]) -> tuple[dict[str, Work], dict[str, str]]:
    """The sides, run once each, and why those that could not be built were not (a compiler that is missing, …)."""
    built, failed = {}, {}
    for name, build in sides.items():
        try:
            built[name] = build()
        except RuntimeError as error:
            failed[name] = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
    return built, failed


def _ways(work: Work, order: str, device: torch.device) -> dict[str, Callable[[], Work]]:
    """Operation by operation, and, where there are graphs, as one."""
    suffix = f", {order}" if order else ""
    sides: dict[str, Callable[[], Work]] = {f"{EAGER}{suffix}": lambda: _on_references(work)}
    if device.type == "cuda":
        sides[f"{EAGER_GRAPH}{suffix}"] = _captured(work, device)
    return sides


def _captured(work: Work, device: torch.device) -> Callable[[], Work]:
    return lambda: _first_run(_on_references(Replay(_on_references(work), device)))


def _first_run(work: Work) -> Work:
    work()
    return work


@torch.inference_mode()
def _run(work: Work) -> object:
    with using("reference"):
        return work()


def _on_references(work: Work) -> Work:
    return lambda: _run(work)
