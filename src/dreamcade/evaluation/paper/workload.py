"""What a frame of the paper's engine takes, as a workload that devices are planned for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from dreamcade.cluster.counting import Borders, count, count_borders
from dreamcade.cluster.diffusion_workload import diffusion_fields
from dreamcade.cluster.workload import Workload
from dreamcade.codec.codec import Codec
from dreamcade.codec.convolutional import ConvolutionalDecoder
from dreamcade.core.errors import BadInputError
from dreamcade.dynamics.diffusion_config import FACTORISED
from dreamcade.evaluation.paper.counts import DECODE, PIXELS, drawing_work
from dreamcade.evaluation.paper.models import DTYPE
from dreamcade.evaluation.paper.presets import CONVOLUTIONAL, DECODERS, PaperPreset

_Run = Callable[[Tensor], Tensor]
PIXELS_LAUNCHES = 6
"""From what a decoder leaves to bytes."""


@cache
def paper_workload(
    preset: PaperPreset, attention: str = FACTORISED, decoder: str = CONVOLUTIONAL, steps: int = 1
) -> Workload:
    """Our own models at the paper's size, in bfloat16 on fused kernels, counted; as many frames as there are.

    Raises `BadInputError` for an attention, a decoder or a number of steps that there is not.
    """
    if decoder not in DECODERS:
        raise BadInputError(f"decoder must be one of {', '.join(DECODERS)}; got {decoder!r}")
    config = preset.dynamics(attention, steps)
    drawn, held, borders, module = _drawing(preset, decoder)
    return Workload(
        preset.name if preset.shrink == 1 else f"{preset.name}/{preset.shrink}",
        preset.frame_width, preset.frame_height, **diffusion_fields(config),
        **drawn, decoder_activation_bytes=held, decoder_rows=preset.latent_shape[1],
        decoder_weight_bytes=sum(p.nbytes for part in module for p in part.parameters()),
        # In fused kernels, statistics travel along with the borders, but for those that attention's norm needs.
        halo_bytes=borders.bytes, halo_exchanges=borders.exchanges,
        decoder_reductions=min(1, borders.reductions) if decoder == CONVOLUTIONAL else borders.reductions,
        decoder_gather_bytes=borders.gathered,
    )  # fmt: skip


@torch.no_grad()
def _drawing(preset: PaperPreset, decoder: str) -> tuple[dict[str, Any], int, Borders, list[nn.Module]]:
    work = drawing_work(preset, decoder)
    with torch.device("meta"):
        latents = torch.empty(1, *preset.latent_shape, dtype=DTYPE)
        run, parts = _decoder(preset, decoder)
        # Held by plain operations: what fused kernels leave out is less than a map.
        held = count(lambda: run(latents)).peak
        with count_borders(*parts) as borders:
            run(latents)
    # A convolution, and all that is around it, is one launch.
    launches = sum(isinstance(one, nn.Conv2d) for part in parts for one in part.modules()) + PIXELS_LAUNCHES
    drawn: dict[str, Any] = {
        "decoder_flops": work[DECODE].flops, "decoder_bytes": work[DECODE].bytes + work[PIXELS].bytes,
        "decoder_launches": launches,
    }  # fmt: skip
    return drawn, held, borders, parts


def _decoder(preset: PaperPreset, decoder: str) -> tuple[_Run, list[nn.Module]]:
    if decoder == CONVOLUTIONAL:
        plain = ConvolutionalDecoder(preset.convolutional()).to(DTYPE)
        return plain, [plain]
    codec = Codec(preset.light()).to(DTYPE)
    return codec.decode_cells, [part for part in (codec.decoder, codec.detail) if part is not None]
