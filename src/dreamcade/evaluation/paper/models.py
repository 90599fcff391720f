"""The models of a preset, with random weights: speed does not depend on what they have learnt."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from dreamcade.codec.codec import Codec
from dreamcade.codec.convolutional import ConvolutionalDecoder, to_pixels
from dreamcade.codec.fused_convolutional import FusedDecoder
from dreamcade.core.errors import BadInputError
from dreamcade.dynamics.diffusion_config import FACTORISED
from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer
from dreamcade.evaluation.paper.presets import CONVOLUTIONAL, DECODERS, PaperPreset, sampling_levels
from dreamcade.kernels.choice import has_triton
from dreamcade.kernels.low_bits import multiplies_fp8
from dreamcade.kernels.packed_layers import Bits
from dreamcade.world.low_bits import pack_layers

DTYPE = torch.bfloat16
"""Of weights and of what flows between layers, on every device: the paper's."""
PLAIN = "bf16"
WHOLE = ("modulation", "entries.*", "leave", "embed_*", "condition.*")
"""Layers that stay in bfloat16 when the others are packed: the first and the last, and what steers all of them."""


def _packed(bits: Bits) -> Callable[[DiffusionTransformer], DiffusionTransformer]:
    def pack(model: DiffusionTransformer) -> DiffusionTransformer:
        pack_layers(model, bits, WHOLE)
        return model

    return pack


WEIGHTS: dict[str, Callable[[DiffusionTransformer], DiffusionTransformer]] = {
    PLAIN: lambda model: model, **{bits.value: _packed(bits) for bits in (Bits.INT8, Bits.FP8, Bits.INT4)},
}  # fmt: skip
"""How the dynamics' weights are kept, by name: a function of the bfloat16 model."""
WEIGHT_BITS = {PLAIN: 16, "int8": 8, "fp8": 8, "int4": 4}
LEAVE_SPREAD = 0.002
"""Deviation of the last layer's weights, which start at zero: so that every frame differs from the one before."""


class Drawing(Protocol):
    """Latents → pixels, in two parts that can be timed."""

    @property
    def module(self) -> nn.Module:
        """What holds the weights."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Latents float32 `[B, c, h, w]` → frames as the decoder leaves them."""
        ...

    def to_pixels(self, decoded: Tensor) -> Tensor:
        """These → uint8 `[B, H, W, 3]`, contiguous."""
        ...


class ConvolutionalDrawing:
    """A convolutional decoder as any function of it from latents to frames of about [−1, 1]."""

    def __init__(self, module: ConvolutionalDecoder, decoder: Callable[[Tensor], Tensor]) -> None:
        self.module = module
        self._decoder = decoder

    @classmethod
    def fused(cls, module: ConvolutionalDecoder) -> ConvolutionalDrawing:
        """In fused kernels, with the weights that it has now."""
        return cls(module, FusedDecoder(module))

    def decode(self, latents: Tensor) -> Tensor:
        return self._decoder(latents.to(DTYPE, memory_format=torch.channels_last))

    def to_pixels(self, decoded: Tensor) -> Tensor:
        return to_pixels(decoded)


class LightDrawing:
    """Our own codec's decoder."""

    def __init__(self, codec: Codec) -> None:
        self.module = codec

    def decode(self, latents: Tensor) -> Tensor:
        return self.module.decode_cells(latents.to(DTYPE))

    def to_pixels(self, decoded: Tensor) -> Tensor:
        return self.module.arrange(decoded)


def build_dynamics(
    preset: PaperPreset, device: torch.device, attention: str = FACTORISED, weights: str = PLAIN,
    dtype: torch.dtype | None = None,
) -> DiffusionTransformer:  # fmt: skip
    """In `DTYPE`, or another. Raises `BadInputError` for an attention or weights that there are not."""
    if weights not in WEIGHTS:
        raise BadInputError(f"weights must be one of {', '.join(WEIGHTS)}; got {weights!r}")
    model = DiffusionTransformer.random(preset.dynamics(attention), device, dtype or DTYPE)
    model.leave.weight.normal_(std=LEAVE_SPREAD, generator=torch.Generator(device).manual_seed(1))
    return WEIGHTS[weights](model)


def sampled_in(model: DiffusionTransformer, steps: int) -> DiffusionTransformer:
    """The same model, its weights shared, that samples in so many steps."""
    other = copy.copy(model)
    other.config = dataclasses.replace(model.config, sampling_levels=sampling_levels(steps))
    return other


def build_drawing(preset: PaperPreset, device: torch.device, decoder: str = CONVOLUTIONAL) -> Drawing:
    """Raises `BadInputError` for a decoder that there is not."""
    built = build_decoder(preset, device, decoder)
    return LightDrawing(built) if isinstance(built, Codec) else ConvolutionalDrawing.fused(built)


def build_decoder(
    preset: PaperPreset, device: torch.device, decoder: str = CONVOLUTIONAL, dtype: torch.dtype | None = None
) -> ConvolutionalDecoder | Codec:
    """What holds a decoder's weights. Raises `BadInputError` for a decoder that there is not."""
    if decoder not in DECODERS:
        raise BadInputError(f"decoder must be one of {', '.join(DECODERS)}; got {decoder!r}")
    return plain_decoder(preset, device, dtype) if decoder == CONVOLUTIONAL else _light_codec(preset, device, dtype)


def plain_decoder(preset: PaperPreset, device: torch.device, dtype: torch.dtype | None = None) -> ConvolutionalDecoder:
    """The convolutional decoder in plain PyTorch, with the same random weights every time."""
    with seeded():
        plain = ConvolutionalDecoder(preset.convolutional()).eval().requires_grad_(False)
    return plain.to(device, dtype or DTYPE)


def _light_codec(preset: PaperPreset, device: torch.device, dtype: torch.dtype | None) -> Codec:
    with seeded():
        codec = Codec(preset.light()).eval().requires_grad_(False)
    codec.to(device, dtype or DTYPE)
    codec.decoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return codec


def only_emulates(weights: str, device: torch.device) -> bool:
    """Whether the device computes what these weights give, but not in their number format: its speed says nothing."""
    return weights == Bits.FP8 and not (multiplies_fp8(device) and has_triton())


@contextmanager
def seeded() -> Iterator[None]:
    """Random numbers of a generator that begins anew; the caller's goes on as if nothing had been drawn."""
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(0)  # the CPU's only
    try:
        yield
    finally:
        torch.set_rng_state(before)
