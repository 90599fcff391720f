"""What a whole convolutional decoder moves between memory and chip, part by part, unfused and fused."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dreamcade.codec.convolutional import ConvolutionalDecoder, ConvolutionalDecoderConfig
from dreamcade.codec.fused_convolutional import FusedDecoder, Measured
from dreamcade.kernels.traffic import LaunchTraffic, OperatorTraffic, Traffic


@dataclass(frozen=True, slots=True)
class StageTraffic:
    """One part of the decoder."""

    name: str
    unfused: Traffic
    fused: Traffic


def decoder_traffic(
    config: ConvolutionalDecoderConfig, height: int, width: int, *, batch: int = 1, dtype: torch.dtype = torch.bfloat16
) -> list[StageTraffic]:
    """The traffic of every part for latents `[batch, c, height, width]`. Nothing is computed: all tensors are `meta`.

    The attention in the middle is the same on both sides, one operator.
    """
    with torch.device("meta"):
        decoder = ConvolutionalDecoder(config).to(dtype)
        latents = torch.empty(batch, config.latent_channels, height, width, dtype=dtype)
    unfused, fused = _unfused(decoder, latents), _fused(decoder, latents)
    return [StageTraffic(name, unfused[name], fused[name]) for name in unfused]


@torch.no_grad()
def _unfused(decoder: ConvolutionalDecoder, latents: torch.Tensor) -> dict[str, Traffic]:
    counted, x = dict[str, Traffic](), latents
    for name, stage in decoder.stages():
        with OperatorTraffic() as operators:
            x = stage(x)
        counted[name] = operators.traffic
    return counted


@torch.no_grad()
def _fused(decoder: ConvolutionalDecoder, latents: torch.Tensor) -> dict[str, Traffic]:
    """Launches, and whatever operators run between them."""
    launches = LaunchTraffic()
    counted, state = dict[str, Traffic](), Measured(latents, None)
    for name, stage in FusedDecoder(decoder, launches).stages():
        before = launches.traffic
        with OperatorTraffic() as operators:
            state = stage(state)
        counted[name] = launches.traffic - before + operators.traffic
    return counted
