"""The fused decoder is the decoder."""

from __future__ import annotations

import copy

import pytest
import torch

from dreamcade.codec.convolutional import ConvolutionalDecoder, ConvolutionalDecoderConfig
from dreamcade.codec.fused_convolutional import FusedDecoder
from dreamcade.core.errors import BadInputError
from dreamcade.kernels.choice import using

TINY = ConvolutionalDecoderConfig(latent_channels=4, widths=(16, 32), resnets=1, groups=8)


@pytest.fixture(scope="module")
def decoder() -> ConvolutionalDecoder:
    """Random weights, with norms and biases that matter."""
    torch.manual_seed(0)
    decoder = ConvolutionalDecoder(TINY).eval()
    for parameter in decoder.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, 0.5, 0.5)
    return decoder


@torch.no_grad()
def exact(decoder: ConvolutionalDecoder, latents: torch.Tensor) -> torch.Tensor:
    return copy.deepcopy(decoder).double()(latents.double())


def error(got: torch.Tensor, expected: torch.Tensor) -> float:
    return ((got.double() - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("kernels", ["reference", pytest.param("triton", marks=pytest.mark.triton)])
def test_it_decodes_as_the_plain_decoder(decoder: ConvolutionalDecoder, kernels: str) -> None:
    latents = torch.randn(2, 4, 3, 5)
    with using(kernels):
        frames = FusedDecoder(decoder)(latents)
    assert frames.shape == (2, 3, 6, 10) and not frames.requires_grad
    assert error(frames, exact(decoder, latents)) < 1e-6


@pytest.mark.parametrize("kernels", ["reference", pytest.param("triton", marks=pytest.mark.triton)])
def test_in_bfloat16_it_is_near(decoder: ConvolutionalDecoder, kernels: str) -> None:
    """The plain decoder's own error in bfloat16 is measured beside it. Triton's interpreter
    cuts off where a GPU rounds, which is about twice the error."""
    half, latents = copy.deepcopy(decoder).bfloat16(), torch.randn(1, 4, 3, 5).bfloat16()
    expected = exact(half, latents)
    with using(kernels), torch.no_grad():
        frames = FusedDecoder(half)(latents)
        plain = error(half(latents), expected)
    assert frames.dtype is torch.bfloat16
    assert error(frames, expected) < {"reference": 1.5, "triton": 2.5}[kernels] * plain < 0.02


def test_other_latents_are_refused(decoder: ConvolutionalDecoder) -> None:
    with pytest.raises(BadInputError, match=r"latents must be \[N, 4, h, w\]"):
        FusedDecoder(decoder)(torch.zeros(1, 5, 2, 2))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@torch.no_grad()
def test_at_full_size_on_a_gpu() -> None:
    torch.manual_seed(0)
    decoder = ConvolutionalDecoder(ConvolutionalDecoderConfig()).eval().to("cuda", torch.bfloat16)
    latents = torch.randn(1, 16, 60, 90, device="cuda", dtype=torch.bfloat16)
    expected = copy.deepcopy(decoder).float()(latents.float()).double()
    fused = FusedDecoder(decoder)
    frames = fused(latents)
    assert frames.shape == (1, 3, 480, 720)
    assert error(frames, expected) < 1.5 * error(decoder(latents), expected)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        replayed = fused(latents)
    graph.replay()
    assert torch.equal(replayed, frames)
