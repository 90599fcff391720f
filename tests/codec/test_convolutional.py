"""The convolutional decoder is that of diffusers."""

from __future__ import annotations

import pytest
import torch

from dreamcade.codec.convolutional import ConvolutionalDecoder, ConvolutionalDecoderConfig
from dreamcade.codec.diffusers_weights import load_diffusers
from dreamcade.core.errors import BadInputError

TINY = ConvolutionalDecoderConfig(latent_channels=4, widths=(16, 32, 32), resnets=2, groups=8)


@pytest.fixture(scope="module")
def published() -> torch.nn.Module:
    """A tiny `AutoencoderKL` with random weights, norms and biases included."""
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    model = diffusers.AutoencoderKL(
        down_block_types=3 * ("DownEncoderBlock2D",),
        up_block_types=3 * ("UpDecoderBlock2D",),
        block_out_channels=TINY.widths,
        layers_per_block=TINY.resnets - 1,
        latent_channels=TINY.latent_channels,
        norm_num_groups=TINY.groups,
        use_quant_conv=False,
        use_post_quant_conv=False,
    ).eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, 0.5, 0.5)
    return model


@torch.no_grad()
def test_it_decodes_as_diffusers_does(published: torch.nn.Module) -> None:
    decoder = ConvolutionalDecoder(TINY)
    load_diffusers(decoder, published.state_dict())
    latents = torch.randn(2, 4, 6, 9)
    frames, theirs = decoder(latents), published.decode(latents).sample
    assert frames.shape == (2, 3, 24, 36)
    torch.testing.assert_close(frames, theirs, rtol=1e-5, atol=1e-5 * theirs.abs().max().item())


@torch.no_grad()
def test_the_decoder_alone_loads_too(published: torch.nn.Module) -> None:
    whole, alone = ConvolutionalDecoder(TINY), ConvolutionalDecoder(TINY)
    load_diffusers(whole, published.state_dict())
    load_diffusers(alone, published.decoder.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), alone.parameters(), strict=True))


def test_weights_that_do_not_fit_are_refused(published: torch.nn.Module) -> None:
    state = dict(published.decoder.state_dict())
    with pytest.raises(BadInputError, match=r"1 weights are missing, the first is leave\.conv\.bias"):
        load_diffusers(ConvolutionalDecoder(TINY), {k: v for k, v in state.items() if k != "conv_out.bias"})
    with pytest.raises(BadInputError, match=r"1 weights do not belong to this decoder, the first is time\.weight"):
        load_diffusers(ConvolutionalDecoder(TINY), {**state, "time.weight": torch.zeros(1)})
    with pytest.raises(BadInputError, match=r"leave\.conv\.bias must be \[3\]; got \[4\]"):
        load_diffusers(ConvolutionalDecoder(TINY), {**state, "conv_out.bias": torch.zeros(4)})
    with pytest.raises(BadInputError, match="post_quant_conv"):
        load_diffusers(ConvolutionalDecoder(TINY), {**state, "post_quant_conv.weight": torch.zeros(4, 4, 1, 1)})


def test_the_full_size_makes_frames_of_the_papers_size() -> None:
    with torch.device("meta"):
        decoder = ConvolutionalDecoder(ConvolutionalDecoderConfig())
        frames = decoder(torch.empty(1, 16, 60, 90))
    assert frames.shape == (1, 3, 480, 720)
    assert sum(p.numel() for p in decoder.parameters()) == pytest.approx(49.5e6, rel=0.01)


def test_a_config_survives_json_and_refuses_what_cannot_be() -> None:
    assert ConvolutionalDecoderConfig.from_json(TINY.to_json()) == TINY
    with pytest.raises(BadInputError, match="multiples of the 32 groups"):
        ConvolutionalDecoderConfig(widths=(48,))
    with pytest.raises(BadInputError, match="needs a resnet"):
        ConvolutionalDecoderConfig(resnets=0)
    with pytest.raises(BadInputError, match=r"latents must be \[N, 4, h, w\]; got \[1, 3, 2, 2\]"):
        ConvolutionalDecoder(TINY)(torch.zeros(1, 3, 2, 2))
