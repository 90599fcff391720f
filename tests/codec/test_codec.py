"""The codec: shapes, parity of its decoding paths, and what its latents promise."""

import pytest
import torch
import torch.nn.functional as F

from dreamcade.codec import Codec, CodecConfig
from dreamcade.core.errors import BadInputError

SMALL = CodecConfig(frame_height=64, frame_width=96, width=16, blocks=1, detail_width=5)


@pytest.fixture
def codec() -> Codec:
    torch.manual_seed(0)
    codec = Codec(SMALL).eval()
    for parameter in codec.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return codec


def frames(count: int = 2) -> torch.Tensor:
    return torch.rand(1, count, 3, 64, 96, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_shapes(codec: Codec) -> None:
    latents = codec.encode(frames())
    assert latents.shape == (1, 2, *SMALL.latent_shape) == (1, 2, 12, 8, 12)
    assert codec.decode(latents).shape == (1, 2, 3, 64, 96)


@torch.no_grad()
def test_streamed_equals_parallel(codec: Codec) -> None:
    latents = codec.encode(frames(4))
    parallel = codec.decode(latents)
    streamed = torch.cat([codec.decode(latents[:, t : t + 1]) for t in range(4)], 1)
    torch.testing.assert_close(streamed, parallel, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_pixels_equal_float_frames(codec: Codec) -> None:
    latents = codec.encode(frames())
    pixels = codec.decode_pixels(latents[0])
    expected = codec.decode(latents)[0].permute(0, 2, 3, 1) * 127.5 + 127.5
    assert pixels.dtype == torch.uint8 and pixels.shape == (2, 64, 96, 3) and pixels.is_contiguous()
    assert (pixels.float() - expected).abs().max() <= 0.51 + 1e-3


@torch.no_grad()
def test_untrained_decoder_interpolates() -> None:
    codec = Codec(SMALL)
    ramp = torch.linspace(-1, 1, 96).expand(1, 1, 3, 64, 96)
    error = (codec.decode(codec.encode(ramp)) - ramp).abs()[..., 8:-8, 8:-8]
    assert error.max() < 1e-4


@torch.no_grad()
def test_latents_move_with_the_picture() -> None:
    codec = Codec(SMALL)
    picture = F.interpolate(torch.randn(1, 3, 8, 12), size=(64, 96), mode="bicubic")[:, None]
    moved = torch.roll(picture, 8, -1)
    torch.testing.assert_close(codec.encode(moved), torch.roll(codec.encode(picture), 1, -1))


def test_wrong_shapes_are_refused(codec: Codec) -> None:
    with pytest.raises(BadInputError, match=r"frames must be .*got \[1, 3, 64, 96\]"):
        codec.encode(frames()[:, 0])
    with pytest.raises(BadInputError, match="latents must be"):
        codec.decode(torch.zeros(1, 1, 12, 8, 13))
    with pytest.raises(BadInputError, match="multiples of 8"):
        CodecConfig(frame_height=100, frame_width=96)


def test_config_round_trip() -> None:
    assert CodecConfig.from_json(SMALL.to_json()) == SMALL
    with pytest.raises(BadInputError, match="colour"):
        CodecConfig.from_json({"colour": 3})
