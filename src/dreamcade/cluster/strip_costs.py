"""What drawing in strips costs beside the drawing: messages and their bytes, and memory, by formula. No PyTorch.

`decoder_messages` and `codec_messages` list a frame's exchanges one by one; `sent_bytes` adds up what a rank sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dreamcade.cluster.shares import shares

if TYPE_CHECKING:
    from dreamcade.codec.config import CodecConfig
    from dreamcade.codec.convolutional import ConvolutionalDecoderConfig

ALIGNED = 16
"""Bytes that the parts of a message are a multiple of, so that each can be looked at as any type."""
STATISTICS = 2 * 4
"""Bytes of a group's mean and variance."""


@dataclass(frozen=True, slots=True)
class Message:
    """One exchange: `row` bytes go to each neighbour, `shared` bytes to every other rank."""

    row: int = 0
    shared: int = 0

    def sent(self, strips: int, index: int) -> int:
        """Bytes that one of so many strips sends."""
        neighbours = (index > 0) + (index < strips - 1)
        return neighbours * aligned(self.row) + (strips - 1) * aligned(self.shared)


def sent_bytes(messages: Sequence[Message], strips: int, index: int) -> int:
    """Bytes that a strip sends for a frame."""
    return sum(message.sent(strips, index) for message in messages)


def decoder_messages(
    config: ConvolutionalDecoderConfig, height: int, width: int, strips: int, *,
    fused: bool = True, size: int = 2, batch: int = 1,
) -> list[Message]:  # fmt: skip
    """A convolutional decoder's, for latents `height` × `width` and `size` bytes a number.

    Fused, a row goes with the statistics of the map that it is of. In plain PyTorch a row is normalised before it is
    sent, so statistics go first, and what upsampling has doubled is sent doubled; keys and values go one by one.
    """
    if strips == 1:
        return []
    make = _FusedMessages if fused else _PlainMessages
    return make(config, height, width, strips, size * batch, batch).messages()


class _FusedMessages:
    """`row` bytes are `scale` × channels × columns, `scale` being bytes a number × maps."""

    def __init__(
        self, config: ConvolutionalDecoderConfig, height: int, width: int, strips: int, scale: int, batch: int
    ) -> None:
        self.config, self.width, self.scale = config, width, scale
        self.most = max(shares(height, strips))
        self.statistics = STATISTICS * config.groups * batch
        self.widths = config.widths[::-1]

    def messages(self) -> list[Message]:
        found = [Message(self.row(self.config.latent_channels, 0)), *self.middle()]
        for level, channels in enumerate(self.widths):
            found += self.level(level, channels, last=level == len(self.widths) - 1)
        return found

    def row(self, channels: int, level: int) -> int:
        return self.scale * channels * (self.width << level)

    def measured(self, channels: int, level: int, count: int) -> list[Message]:
        return count * [Message(self.row(channels, level), self.statistics)]

    def middle(self) -> list[Message]:
        """What enters, a resnet, keys and values, what leaves attention, a resnet."""
        channels = self.widths[0]
        gathered = Message(shared=self.row(2 * channels, 0) * self.most)
        return [*self.measured(channels, 0, 3), gathered, *self.measured(channels, 0, 3)]

    def level(self, level: int, channels: int, last: bool) -> list[Message]:
        """Two convolutions a resnet; what is enlarged is not measured, but what comes of it is."""
        count = 2 * self.config.resnets
        if last:
            return self.measured(channels, level, count)
        enlarged = [Message(self.row(channels, level)), *self.measured(channels, level + 1, 1)]
        return [*self.measured(channels, level, count - 1), *enlarged]


class _PlainMessages(_FusedMessages):
    def messages(self) -> list[Message]:
        leaving = self.measured(self.widths[-1], len(self.widths) - 1, 1)
        return [*super().messages(), *leaving]

    def measured(self, channels: int, level: int, count: int) -> list[Message]:
        return count * [Message(shared=self.statistics), Message(self.row(channels, level))]

    def middle(self) -> list[Message]:
        """A resnet, the norm before attention, keys, values, a resnet."""
        channels = self.widths[0]
        gathered = Message(shared=self.row(channels, 0) * self.most)
        attention = [Message(shared=self.statistics), gathered, gathered]
        return [*self.measured(channels, 0, 2), *attention, *self.measured(channels, 0, 2)]

    def level(self, level: int, channels: int, last: bool) -> list[Message]:
        inputs = self.widths[max(0, level - 1)]
        resnets = [*self.measured(inputs, level, 1), *self.measured(channels, level, 2 * self.config.resnets - 1)]
        return resnets if last else [*resnets, Message(self.row(channels, level + 1))]


def codec_messages(config: CodecConfig, strips: int, *, size: int = 4, batch: int = 1) -> list[Message]:
    """A world's own codec's: rows only, `size` bytes a number. All of its 3×3 convolutions, on the latents' grid, the
    folded one, the picture's halved, and the picture's."""
    if strips == 1:
        return []
    _, _, width = config.latent_shape
    folded, picture = width * config.gather, width * config.gather * config.fold
    coarse = [config.channels, *config.coarse_blocks * [config.coarse_width // 2]]
    fine = [32, *config.fine_blocks * [config.fine_width // 2], config.fine_width]
    rows = [channels * width for channels in coarse] + [channels * folded for channels in fine]
    if config.reduction > 1:
        rows += [channels * picture // 2 for channels in (12, *config.context_blocks * [config.context_width // 2])]
        rows += [config.detail_width * picture, 3 * picture]
    return [Message(size * batch * row) for row in rows]


def aligned(size: int) -> int:
    """Bytes that a part of so many takes in a message."""
    return -(-size // ALIGNED) * ALIGNED
