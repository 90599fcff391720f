"""The convolutional decoder in fused kernels: every map is read once and written once by the convolution between them.

A resnet's two norms, their SiLUs, its residual sum and all upsampling happen inside convolutions. Each convolution
measures what it makes where a norm comes next, and hands the statistics on with the map.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamcade.codec.convolutional import (
    ConvolutionalDecoder,
    Leave,
    Level,
    MapAttention,
    Middle,
    Resnet,
    as_map,
    as_tokens,
)
from dreamcade.codec.strips import Strips
from dreamcade.kernels.decoder_block import Norm, PackedConv, Statistics, fused_conv, pack_conv


@dataclass(frozen=True, slots=True)
class Measured:
    """A map `[N, C, h, w]`, framed where it is a strip; the whole map's statistics where a norm comes next."""

    map: Tensor
    statistics: Statistics | None


class Convolve(Protocol):
    """`fused_conv`, or what stands for it."""

    def __call__(
        self, x: Tensor, conv: PackedConv, *, norm: Norm | None = None, residual: Tensor | None = None,
        groups: int | None = None,
    ) -> tuple[Tensor, Statistics | None]: ...  # fmt: skip


Stage = Callable[[Measured], Measured]


class FusedDecoder:
    """A `ConvolutionalDecoder`'s weights made ready once, and the same function of latents `[N, c, h, w]`.

    It follows no later change of the decoder's weights, and gives no gradients. Which kernels run is
    `kernels.choice`'s to say: on the references it is the decoder in plain PyTorch again. `convolve` is for counting.
    With `strips` it turns its own rows of latents into its own rows of frames.
    """

    def __init__(
        self, decoder: ConvolutionalDecoder, convolve: Convolve = fused_conv, strips: Strips | None = None
    ) -> None:
        self.config = decoder.config
        self._expect = decoder.expect
        self._strips = strips or Strips()
        self._convolve = convolve if self._strips.alone else _convolve_in(self._strips)
        self._stages = self._assemble(decoder)

    @torch.no_grad()
    def __call__(self, latents: Tensor) -> Tensor:
        """Latents `[N, c, h, w]` of the weights' type → frames `[N, 3, h·cell, w·cell]`, channels-last.

        Raises `BadInputError` for latents of another shape, type or device.
        """
        self._expect(latents)
        state = Measured(self._strips.frame(latents), None)
        for _, stage in self._stages:
            state = stage(state)
        return self._strips.inside(state.map)

    def stages(self) -> list[tuple[str, Stage]]:
        """The decoder's parts by the names that `ConvolutionalDecoder.stages` has."""
        return list(self._stages)

    def _assemble(self, decoder: ConvolutionalDecoder) -> list[tuple[str, Stage]]:
        levels: list[tuple[str, Stage]] = []
        for index, level in enumerate(decoder.levels):
            assert isinstance(level, Level)
            levels.append((f"level {index}", self._level(level)))
        return [
            ("enter", self._conv(decoder.enter, measured=True)),
            ("middle", self._middle(decoder.middle)),
            *levels,
            ("leave", self._leave(decoder.leave)),
        ]

    def _conv(self, conv: nn.Conv2d, *, measured: bool, upsample: bool = False) -> Stage:
        packed, groups = _packed(conv, upsample), self.config.groups if measured else None
        return lambda state: Measured(*self._convolve(state.map, packed, groups=groups))

    def _resnet(self, resnet: Resnet, *, measured: bool) -> Stage:
        conv1, conv2 = _packed(resnet.conv1), _packed(resnet.conv2)
        shortcut = None if resnet.shortcut is None else _packed(resnet.shortcut)
        groups = self.config.groups

        def run(state: Measured) -> Measured:
            hidden, statistics = self._convolve(state.map, conv1, norm=_norm(resnet.norm1, state), groups=groups)
            around = state.map if shortcut is None else self._convolve(state.map, shortcut)[0]
            norm = _norm(resnet.norm2, Measured(hidden, statistics))
            return Measured(
                *self._convolve(hidden, conv2, norm=norm, residual=around, groups=groups if measured else None)
            )

        return run

    def _attention(self, attention: MapAttention) -> Stage:
        """Query, key and value are one convolution; the norm before it has no SiLU."""
        parts = (attention.query, attention.key, attention.value)
        biases = [part.bias for part in parts if part.bias is not None]
        all_three = pack_conv(torch.cat([part.weight for part in parts]), torch.cat(biases))
        leave, width, strips = _packed(attention.leave), attention.query.out_channels, self._strips

        def run(state: Measured) -> Measured:
            hidden, _ = self._convolve(state.map, all_three, norm=_norm(attention.norm, state, silu=False))
            query = as_tokens(hidden[:, :width])
            key, value = as_tokens(strips.gather(strips.inside(hidden)[:, width:])).chunk(2, -1)
            mixed = as_map(F.scaled_dot_product_attention(query, key, value), state.map.shape[2])
            return Measured(*self._convolve(mixed, leave, residual=state.map, groups=self.config.groups))

        return run

    def _middle(self, middle: Middle) -> Stage:
        return _one_after_the_other(
            self._resnet(middle.first, measured=True),
            self._attention(middle.attention),
            self._resnet(middle.second, measured=True),
        )

    def _level(self, level: Level) -> Stage:
        """What the upsampling convolution reads is not normalised, so the last resnet before it measures nothing."""
        last, stages = len(level.resnets) - 1, list[Stage]()
        for index, resnet in enumerate(level.resnets):
            assert isinstance(resnet, Resnet)
            stages.append(self._resnet(resnet, measured=index < last or level.enlarge is None))
        if level.enlarge is not None:
            stages.append(self._conv(level.enlarge, measured=True, upsample=True))
        return _one_after_the_other(*stages)

    def _leave(self, leave: Leave) -> Stage:
        conv = _packed(leave.conv)
        return lambda state: Measured(*self._convolve(state.map, conv, norm=_norm(leave.norm, state)))


def _convolve_in(strips: Strips) -> Convolve:
    """`fused_conv` of framed maps. What is measured is filled in the same exchange; what no norm follows, before it is
    read."""

    def convolve(
        x: Tensor, conv: PackedConv, *, norm: Norm | None = None, residual: Tensor | None = None,
        groups: int | None = None,
    ) -> tuple[Tensor, Statistics | None]:  # fmt: skip
        if conv.size > 1 and norm is None:
            strips.fill(x)
        y, own = fused_conv(x, conv, norm=norm, residual=residual, groups=groups, borders=strips.borders)
        return y, None if own is None else strips.merge(own, y)

    return convolve


def _packed(conv: nn.Conv2d, upsample: bool = False) -> PackedConv:
    return pack_conv(conv.weight, conv.bias, upsample=upsample)


def _norm(norm: nn.GroupNorm, state: Measured, silu: bool = True) -> Norm:
    assert state.statistics is not None, "a convolution before a norm measures what it makes"
    return Norm(state.statistics, norm.weight, norm.bias, norm.eps, silu)


def _one_after_the_other(*stages: Stage) -> Stage:
    def run(state: Measured) -> Measured:
        for stage in stages:
            state = stage(state)
        return state

    return run
