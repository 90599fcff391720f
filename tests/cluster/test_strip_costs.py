"""What strips cost, by formula. That messages are as many bytes as the formulas say is tested where they are sent."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch import Tensor

from dreamcade.cluster.strip_costs import codec_messages, decoder_messages, decoder_peak_bytes, sent_bytes
from dreamcade.codec import CodecConfig
from dreamcade.codec.convolutional import ConvolutionalDecoder, ConvolutionalDecoderConfig
from dreamcade.codec.fused_convolutional import FusedDecoder
from dreamcade.kernels.decoder_block import Norm, PackedConv, Statistics
from dreamcade.kernels.decoder_block_plan import plan_conv

PAPERS = ConvolutionalDecoderConfig()


class LiveMaps:
    """Stands for `fused_conv`: makes its results without computing them, and keeps count of those that live."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def add(self, x: Tensor) -> None:
        size = x.untyped_storage().nbytes()
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(x.untyped_storage(), self.remove, size)

    def remove(self, size: int) -> None:
        self.now -= size

    def __call__(
        self, x: Tensor, conv: PackedConv, *,
        norm: Norm | None = None, residual: Tensor | None = None, groups: int | None = None,
    ) -> tuple[Tensor, Statistics | None]:  # fmt: skip
        plan = plan_conv(x, conv, norm=norm, residual=residual, groups=groups)
        self.add(plan.y)
        return plan.y, plan.statistics


@pytest.mark.parametrize(
    "config",
    [
        ConvolutionalDecoderConfig(4, widths=(32, 64, 128, 128), resnets=2),
        ConvolutionalDecoderConfig(4, widths=(32, 32), resnets=1),
        ConvolutionalDecoderConfig(4, widths=(32, 256), resnets=3),
    ],
)
def test_the_peak_of_a_decoders_maps(config: ConvolutionalDecoderConfig) -> None:
    """Without what attention makes, which is not a convolution's: its result is one map at the latents' size."""
    live = LiveMaps()
    with torch.device("meta"):
        decoder = ConvolutionalDecoder(config).requires_grad_(False)
        latents = torch.empty(2, 4, 6, 9)
    FusedDecoder(decoder, live)(latents)
    formula, attended = decoder_peak_bytes(config, 6, 9, size=4, batch=2), 2 * 4 * config.widths[-1] * 6 * 9
    assert formula - attended <= live.most <= formula


def test_the_papers_decoder() -> None:
    """35 exchanges a frame; each strip needs about its share of the memory."""
    whole, third = decoder_peak_bytes(PAPERS, 60, 90), decoder_peak_bytes(PAPERS, 60, 90, 3)
    assert whole == 2 * (256 + 3 * 128) * 480 * 720
    assert whole / 3 < third < 1.02 * whole / 3
    messages = decoder_messages(PAPERS, 60, 90, 3)
    assert len(messages) == 35
    assert sent_bytes(messages, 3, 0) < sent_bytes(messages, 3, 1) < 0.05 * whole
    assert len(decoder_messages(PAPERS, 60, 90, 3, fused=False)) == 65


def test_a_worlds_codec_sends_rows_only() -> None:
    messages = codec_messages(CodecConfig(), 2)
    assert len(messages) == 13 and not any(message.shared for message in messages)
    assert len(codec_messages(CodecConfig(240, 320, reduction=1, fold=8), 2)) == 9
