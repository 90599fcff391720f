"""The decoder of latent-diffusion image models (Rombach et al., arXiv 2112.10752), as `diffusers.AutoencoderKL` has it.

It is the decoder that the paper's engine (arXiv 2602.00608) is slowed down by: few parameters, huge maps. Here in plain
PyTorch; `fused_convolutional` runs the same weights in fused kernels.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamcade.core.config import JsonConfig
from dreamcade.core.errors import BadInputError


@dataclass(frozen=True, slots=True)
class ConvolutionalDecoderConfig(JsonConfig):
    """Channels at each size, from the frame's down to the latent's; each size doubles the next. `resnets` a size."""

    latent_channels: int = 16
    frame_channels: int = 3
    widths: tuple[int, ...] = (128, 256, 512, 512)
    resnets: int = 3
    groups: int = 32
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        if not self.widths or any(width % self.groups for width in self.widths):
            raise BadInputError(f"widths must be multiples of the {self.groups} groups; got {self.widths}")
        if self.resnets < 1:
            raise BadInputError(f"a decoder needs a resnet at each size; got {self.resnets}")

    @property
    def cell(self) -> int:
        """Frame pixels under one latent cell, each way."""
        return 2 ** (len(self.widths) - 1)


class Resnet(nn.Module):
    """Twice group norm → SiLU → 3×3 convolution, around which the input goes; as `ResnetBlock2D`."""

    def __init__(self, inputs: int, outputs: int, config: ConvolutionalDecoderConfig) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(config.groups, inputs, config.epsilon)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = nn.GroupNorm(config.groups, outputs, config.epsilon)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = None if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return (x if self.shortcut is None else self.shortcut(x)) + hidden


class MapAttention(nn.Module):
    """Every pixel of a map attends to every other: one head as wide as the map is deep."""

    def __init__(self, width: int, config: ConvolutionalDecoderConfig) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(config.groups, width, config.epsilon)
        self.query, self.key, self.value, self.leave = (nn.Conv2d(width, width, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.norm(x)
        query, key, value = (as_tokens(part(hidden)) for part in (self.query, self.key, self.value))
        return x + self.leave(as_map(F.scaled_dot_product_attention(query, key, value), x.shape[2]))


class Middle(nn.Module):
    """Resnet, attention, resnet at the latent's size."""

    def __init__(self, width: int, config: ConvolutionalDecoderConfig) -> None:
        super().__init__()
        self.first = Resnet(width, width, config)
        self.attention = MapAttention(width, config)
        self.second = Resnet(width, width, config)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.attention(self.first(x)))


class Level(nn.Module):
    """The resnets of one size, and, but for the last, the way to the next: nearest upsampling and a convolution."""

    def __init__(self, inputs: int, outputs: int, last: bool, config: ConvolutionalDecoderConfig) -> None:
        super().__init__()
        widths = (inputs, *(outputs,) * config.resnets)
        self.resnets = nn.ModuleList(Resnet(a, b, config) for a, b in itertools.pairwise(widths))
        self.enlarge = None if last else nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        for resnet in self.resnets:
            x = resnet(x)
        if self.enlarge is None:
            return x
        return self.enlarge(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Leave(nn.Module):
    """The last map → frames."""

    def __init__(self, width: int, config: ConvolutionalDecoderConfig) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(config.groups, width, config.epsilon)
        self.conv = nn.Conv2d(width, config.frame_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.silu(self.norm(x)))


class ConvolutionalDecoder(nn.Module):
    """Latents `[N, c, h, w]` → frames `[N, 3, h·cell, w·cell]`, both in the weights' type; about [−1, 1], not clamped.

    With the default config, 16 × 60 × 90 becomes 3 × 480 × 720. Latents are as the decoder takes them: a diffusion
    model's scaling and shift undone.
    """

    def __init__(self, config: ConvolutionalDecoderConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths[::-1]
        self.enter = nn.Conv2d(config.latent_channels, widths[0], 3, padding=1)
        self.middle = Middle(widths[0], config)
        self.levels = nn.ModuleList(
            Level(inputs, outputs, index == len(widths) - 1, config)
            for index, (inputs, outputs) in enumerate(itertools.pairwise((widths[0], *widths)))
        )
        self.leave = Leave(widths[-1], config)

    def stages(self) -> list[tuple[str, nn.Module]]:
        """The decoder's parts by name, in order: each takes what the one before gives."""
        levels = [(f"level {index}", level) for index, level in enumerate(self.levels)]
        return [("enter", self.enter), ("middle", self.middle), *levels, ("leave", self.leave)]

    def forward(self, latents: Tensor) -> Tensor:
        self.expect(latents)
        x = latents
        for _, stage in self.stages():
            x = stage(x)
        return x

    def expect(self, latents: Tensor) -> None:
        """Raises `BadInputError` where these are no latents of this decoder."""
        if latents.ndim != 4 or latents.shape[1] != self.config.latent_channels:
            raise BadInputError(f"latents must be [N, {self.config.latent_channels}, h, w]; got {list(latents.shape)}")


def as_tokens(x: Tensor) -> Tensor:
    """Map `[N, C, h, w]` → `[N, 1, h·w, C]`, one head."""
    return x.flatten(2).transpose(1, 2)[:, None]


def as_map(tokens: Tensor, height: int) -> Tensor:
    """Inverse of `as_tokens`."""
    return tokens[:, 0].transpose(1, 2).reshape(tokens.shape[0], tokens.shape[3], height, -1)


def to_pixels(frames: Tensor) -> Tensor:
    """Frames `[N, 3, H, W]` of about [−1, 1] → uint8 `[N, H, W, 3]`, contiguous."""
    pixels = frames.permute(0, 2, 3, 1).float().mul_(127.5).add_(128.0).clamp_(0, 255)
    return pixels.to(torch.uint8).contiguous()
