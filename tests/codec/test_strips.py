"""Pictures drawn in strips are the pictures that one decoder draws."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dreamcade.codec import Codec, CodecConfig
from dreamcade.codec.convolutional import ConvolutionalDecoder, ConvolutionalDecoderConfig
from dreamcade.codec.fused_convolutional import FusedDecoder
from dreamcade.codec.strips import Strips, in_strips
from dreamcade.core.errors import BadInputError
from dreamcade.kernels.choice import using
from dreamcade.kernels.decoder_block import Borders
from dreamcade.kernels.decoder_block_plan import Plan
from dreamcade.kernels.packed_layers import Bits, PackedConv2d

TINY = ConvolutionalDecoderConfig(latent_channels=4, widths=(16, 32), resnets=1, groups=8)
WORLDS = {
    "reduced": CodecConfig(
        64, 96, reduction=4, fold=2, gather=2, channels=10, coarse_width=16, fine_width=8, context_width=16,
        detail_width=5,
    ),
    "whole": CodecConfig(48, 40, reduction=1, fold=4, gather=2, channels=10, coarse_width=16, fine_width=8),
}  # fmt: skip
BOUND = 1e-5
"""Of the largest difference from one device, over the largest value, in float32; the same at the rows where strips
meet. Measured: 1e-6."""


def random_weights(network: nn.Module) -> nn.Module:
    """Norms and biases that matter; means far from zero, so that merging statistics is put to the test."""
    for parameter in network.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, 0.5, 0.5)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def decoder() -> ConvolutionalDecoder:
    torch.manual_seed(0)
    decoder = random_weights(ConvolutionalDecoder(TINY))
    assert isinstance(decoder, ConvolutionalDecoder)
    return decoder


Together = Callable[[Sequence[int], Callable[[Strips], Tensor]], tuple[list[Tensor], list[Any]]]
Draw = Callable[[ConvolutionalDecoder, Strips], Callable[[Tensor], Tensor]]


def plain(decoder: ConvolutionalDecoder, strips: Strips) -> Callable[[Tensor], Tensor]:
    return in_strips(decoder, strips)


def fused(decoder: ConvolutionalDecoder, strips: Strips) -> Callable[[Tensor], Tensor]:
    return FusedDecoder(decoder, strips=strips)


def largest_difference(got: Tensor, expected: Tensor, rows: slice | list[int] = slice(None)) -> float:
    return ((got - expected)[:, :, rows].abs().max() / expected.abs().max()).item()


def seams(rows: tuple[int, ...], cell: int) -> list[int]:
    """The rows of pixels on both sides of where strips meet."""
    ends = torch.tensor(rows).cumsum(0)[:-1] * cell
    return [row for end in ends.tolist() for row in (end - 1, end)]


@pytest.mark.parametrize("draw", [plain, fused])
@pytest.mark.parametrize("rows", [(2, 1), (1, 1, 1), (1, 3, 1, 2, 1)])
def test_strips_are_the_picture(
    decoder: ConvolutionalDecoder, together: Together, draw: Draw, rows: tuple[int, ...]
) -> None:
    latents = 2 * torch.randn(2, 4, sum(rows), 5) + 1
    expected = decoder(latents)
    strips, _ = together(rows, lambda strips: draw(decoder, strips)(strips.own(latents)))
    assert [strip.shape[2] for strip in strips] == [row * TINY.cell for row in rows]
    got = torch.cat(strips, 2)
    assert largest_difference(got, expected) < BOUND
    assert largest_difference(got, expected, seams(rows, TINY.cell)) < BOUND


def test_so_are_strips_of_triton_kernels(
    decoder: ConvolutionalDecoder, together: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Triton's interpreter changes its language while it runs, so only one thread may be in it."""
    triton_decoder_block = pytest.importorskip("dreamcade.kernels.triton_decoder_block")
    rows, latents = (2, 1, 2), torch.randn(1, 4, 5, 3)
    launch, one_at_a_time, launched = triton_decoder_block.launch, threading.Lock(), []

    def in_turn(plan: Plan) -> None:
        with one_at_a_time:
            launch(plan)
            launched.append(plan.borders)

    monkeypatch.setattr(triton_decoder_block, "launch", in_turn)

    def draw(strips: Strips) -> Tensor:
        with using("triton"):
            return FusedDecoder(decoder, strips=strips)(strips.own(latents))

    got, expected = torch.cat(together(rows, draw)[0], 2), decoder(latents)
    assert largest_difference(got, expected) < BOUND
    assert set(launched) == {Borders(0, 1), Borders(1, 1), Borders(1, 0)}


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.integers(1, 6), st.integers(0, 1000))
def test_however_the_rows_are_shared(together: Together, rows: list[int], width: int, seed: int) -> None:
    torch.manual_seed(seed)
    decoder = random_weights(ConvolutionalDecoder(TINY))
    latents = torch.randn(1, 4, sum(rows), width)
    for draw in (plain, fused):
        strips, _ = together(rows, lambda strips, draw=draw: draw(decoder, strips)(strips.own(latents)))  # type: ignore
        assert largest_difference(torch.cat(strips, 2), decoder(latents)) < BOUND


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("bits", [None, Bits.INT8])
def test_a_worlds_codec_too(together: Together, world: str, bits: Bits | None) -> None:
    """Cells are bytes: where a value lies between two of them, either may be right."""
    torch.manual_seed(0)
    codec = random_weights(Codec(WORLDS[world]))
    assert isinstance(codec, Codec)
    if bits is not None:
        codec.decoder.enter = PackedConv2d(codec.decoder.enter, bits)  # type: ignore[assignment]
    latents = torch.rand(2, *codec.config.latent_shape) * 2 - 1
    rows = (2, 1, codec.config.latent_shape[1] - 3)
    whole, expected = codec.decode_pixels(latents), codec.decode(latents[:, None])[:, 0]
    strips, _ = together(rows, lambda strips: in_strips(codec, strips).decode_pixels(strips.own(latents)))
    got = torch.cat(strips, 1)
    assert got.shape == whole.shape and got.float().std() > 10
    assert (got.int() - whole.int()).abs().max() <= 1
    assert (got != whole).float().mean() < 1e-3

    def draw(strips: Strips) -> Tensor:
        part = in_strips(codec, strips)
        return part.enlarge(part.decode_pictures(strips.own(latents))).clamp(-1, 1)

    got = torch.cat(together(rows, draw)[0], 2)
    assert largest_difference(got, expected) < BOUND
    assert largest_difference(got, expected, seams(rows, codec.config.cell)) < BOUND


@pytest.mark.parametrize("draw", [plain, fused])
def test_in_bfloat16_strips_err_as_much_as_one(decoder: ConvolutionalDecoder, together: Together, draw: Draw) -> None:
    """Rows where strips meet are no worse than others."""
    rows, latents = (2, 3, 1), torch.randn(1, 4, 6, 5).bfloat16()
    half = copy.deepcopy(decoder).bfloat16()
    exact = copy.deepcopy(half).double()(latents.double())
    one = draw(half, Strips())(latents).double()
    got = torch.cat(together(rows, lambda strips: draw(half, strips)(strips.own(latents)))[0], 2)
    assert got.dtype is torch.bfloat16

    def error(frames: Tensor, at: slice | list[int] = slice(None)) -> float:
        return ((frames.double() - exact)[:, :, at].square().mean() / exact.square().mean()).sqrt().item()

    assert error(got) < 1.5 * error(one) < 0.03
    assert error(got, seams(rows, TINY.cell)) < 2 * error(one)


def test_alone_nothing_is_exchanged_and_nothing_copied(decoder: ConvolutionalDecoder) -> None:
    strips = Strips(rows=(6,))
    latents = torch.randn(1, 4, 6, 5)
    assert strips.alone and in_strips(decoder, strips) is decoder
    assert strips.own(latents) is strips.frame(latents) is strips.gather(latents) is latents
    assert torch.equal(FusedDecoder(decoder, strips=strips)(latents), FusedDecoder(decoder)(latents))


def test_the_network_stays_as_it_is_and_weights_are_shared(decoder: ConvolutionalDecoder, together: Together) -> None:
    before = str(decoder)

    def weights(strips: Strips) -> Tensor:
        part = in_strips(decoder, strips)
        assert {id(p) for p in part.parameters()} == {id(p) for p in decoder.parameters()}
        return torch.zeros(1)

    together((1, 1), weights)
    assert str(decoder) == before


def test_what_does_not_fit_is_refused(decoder: ConvolutionalDecoder, together: Together) -> None:
    def refused(network: nn.Module) -> Callable[[Strips], Tensor]:
        def draw(strips: Strips) -> Tensor:
            with pytest.raises(BadInputError, match="in strips"):
                in_strips(network, strips)
            with pytest.raises(BadInputError, match="latents must be 2 rows high; got 3"):
                strips.own(torch.zeros(1, 4, 3, 5))
            return torch.zeros(1)

        return draw

    for layer in (nn.Conv2d(4, 4, 3, stride=2), nn.Conv2d(4, 4, 5, padding=2), nn.BatchNorm2d(4)):
        together((1, 1), refused(nn.Sequential(layer)))
    with pytest.raises(BadInputError, match=r"each of 1 strips must have rows; got \[1, 1\]"):
        Strips(rows=(1, 1))
