"""The two games of arXiv 2602.00608 as sizes of our own models, and its figures."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from dreamcade.codec.config import CodecConfig
from dreamcade.codec.convolutional import ConvolutionalDecoderConfig
from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.dynamics.diffusion_config import FACTORISED, FULL, DiffusionTransformerConfig

PAPER_DEVICES = 8
"""Accelerators (Ascend 910C) of the paper's engine, five for its DiT and three for its decoder …"""
PAPER_DEVICE_FLOPS = 752e12
"""… and the dense bfloat16 FLOP/s of each, by its data sheet."""
CELL = 8
"""Frame pixels under one latent cell, each way."""
CHANNELS = 16
"""Of a latent."""
ATTENTIONS = (FACTORISED, FULL)
CONVOLUTIONAL, LIGHT = "convolutional", "light"
DECODERS = (CONVOLUTIONAL, LIGHT)
"""`convolutional`: of the size of Stable Diffusion's, as the paper's; `light`: our own codec's for the same latents."""


@dataclass(frozen=True, slots=True)
class PaperPreset:
    """One game. `paper_fps` is what the paper reports for it, on all of its devices together."""

    name: str
    frame_width: int
    frame_height: int
    action_size: int
    paper_fps: float
    heads: int = 30
    depth: int = 30
    memory: int = 8
    condition_width: int = 256
    decoder_widths: tuple[int, ...] = (128, 256, 512, 512)
    light_width: int = 256
    shrink: int = 1

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(c, h, w) of one latent."""
        return CHANNELS, self.frame_height // CELL, self.frame_width // CELL

    def dynamics(self, attention: str = FACTORISED, steps: int = 1) -> DiffusionTransformerConfig:
        """Our dynamics at the paper's size. Raises `BadInputError` for another attention, or no step."""
        channels, height, width = self.latent_shape
        return DiffusionTransformerConfig(
            latent_channels=channels,
            latent_height=height,
            latent_width=width,
            action_size=self.action_size,
            heads=self.heads,
            depth=self.depth,
            memory=self.memory,
            condition_width=self.condition_width,
            attention=attention,
            sampling_levels=sampling_levels(steps),
        )

    def convolutional(self) -> ConvolutionalDecoderConfig:
        """The decoder that the paper is slowed down by."""
        return ConvolutionalDecoderConfig(CHANNELS, widths=self.decoder_widths)

    def light(self) -> CodecConfig:
        """Our own codec whose cells are those of the latents: a quarter of the frame's size is drawn from them by one
        network on their grid and one on twice that, and the frame's edges from it."""
        return CodecConfig(
            self.frame_height, self.frame_width, reduction=4, fold=2, gather=1, channels=CHANNELS,
            coarse_width=self.light_width,
        )  # fmt: skip

    def shrunk(self, divisor: int) -> PaperPreset:
        """The same with about so many times fewer heads, layers, and latent cells each way, for small machines."""
        if divisor < 1:
            raise BadInputError(f"a preset is shrunk by 1 (not at all) or more; got {divisor}")
        if divisor == 1:
            return self
        return dataclasses.replace(
            self,
            frame_width=CELL * _cells(self.frame_width // CELL, divisor),
            frame_height=CELL * _cells(self.frame_height // CELL, divisor),
            heads=max(1, self.heads // divisor),
            depth=max(2, self.depth // divisor),
            condition_width=max(32, self.condition_width // divisor),
            decoder_widths=tuple(_width(width, divisor) for width in self.decoder_widths),
            light_width=max(32, self.light_width // divisor),
            shrink=divisor,
        )


def sampling_levels(steps: int) -> tuple[float, ...]:
    """Noise levels of so many steps; two are the dynamics' own, 1 and 0.8. Raises `BadInputError` for none."""
    if steps < 1:
        raise BadInputError(f"a frame takes at least one step; got {steps}")
    return tuple(1 - 0.4 * step / steps for step in range(steps))


def paper_preset(name: str, shrink: int = 1) -> PaperPreset:
    """By its name. Raises `UnknownNameError`, and `BadInputError` for a shrink below 1."""
    if name not in PAPER_PRESETS:
        raise UnknownNameError("preset", name, PAPER_PRESETS)
    return PAPER_PRESETS[name].shrunk(shrink)


def _cells(cells: int, divisor: int) -> int:
    """Even, for the patches of two; at least four."""
    return 2 * max(2, round(cells / 2 / divisor))


def _width(width: int, divisor: int) -> int:
    """Channels of the decoder: a multiple of its 32 groups."""
    return 32 * max(1, width // 32 // divisor)


PAPER_PRESETS = {
    "paper-racing": PaperPreset("paper-racing", 720, 480, action_size=3, paper_fps=26.4),
    "paper-platformer": PaperPreset("paper-platformer", 256, 256, action_size=4, paper_fps=48.3),
}
"""A continuous 3D racing game (steering, gas, brake) and a discrete 2D platformer (left, right, up, down)."""
