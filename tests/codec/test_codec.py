"""The codec: shapes, parity of its decoding paths, and what its latents promise."""

import dataclasses

import pytest
import torch

from dreamcade.codec import Codec, CodecConfig
from dreamcade.codec.config import comfortable_size
from dreamcade.core.errors import BadInputError

SMALL = CodecConfig(
    frame_height=64,
    frame_width=96,
    fold=2,
    gather=2,
    channels=10,
    coarse_width=16,
    coarse_blocks=1,
    fine_width=8,
    fine_blocks=1,
    context_width=16,
    context_blocks=1,
    detail_width=5,
)


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
    assert latents.shape == (1, 2, *SMALL.latent_shape) == (1, 2, 10, 4, 6)
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
def test_latents_are_bounded(codec: Codec) -> None:
    assert codec.encode(5 * frames()).abs().max() <= 1


@torch.no_grad()
def test_a_fitted_codec_is_the_best_linear_map() -> None:
    """Pictures that are sums of fewer patterns than a latent has channels survive, but for the squashing."""
    torch.manual_seed(0)
    codec = Codec(SMALL)
    patterns = torch.randn(4, 3, 4, 4)
    mixtures = 0.05 * torch.randn(200, 4, 4, 6)
    pictures = torch.einsum("npij,pcyx->nciyjx", mixtures, patterns).reshape(200, 3, 16, 24)
    codec.fit(pictures)
    latents = codec.encode_pictures(codec.normalise(pictures))
    remade = codec.colours(codec.decode_pictures(latents))
    assert (remade - pictures).square().mean() < 0.05 * pictures.square().mean()
    spread = latents[:, :4].std((0, 2, 3))
    assert ((spread > 0.3) & (spread < 0.5)).all()


@torch.no_grad()
def test_untrained_detail_interpolates() -> None:
    codec = Codec(SMALL)
    ramp = torch.linspace(-1, 1, 96).expand(1, 3, 64, 96)
    error = (codec.enlarge(codec.reduce(ramp)) - ramp).abs()[..., 8:-8, 8:-8]
    assert error.max() < 1e-4


@torch.no_grad()
def test_normalise_turns_back() -> None:
    codec = Codec(dataclasses.replace(SMALL, mean=(0.1, -0.2, 0.3), deviation=(0.2, 0.4, 0.6)))
    pictures = torch.rand(2, *SMALL.picture_shape)
    torch.testing.assert_close(codec.colours(codec.normalise(pictures)), pictures)
    torch.testing.assert_close(
        codec.normalise(torch.tensor(SMALL.mean).view(3, 1, 1) + 0.1)[0, 0, 0], torch.tensor(0.0)
    )


def test_wrong_shapes_are_refused(codec: Codec) -> None:
    with pytest.raises(BadInputError, match=r"frames must be .*got \[1, 3, 64, 96\]"):
        codec.encode(frames()[:, 0])
    with pytest.raises(BadInputError, match="latents must be"):
        codec.decode(torch.zeros(1, 1, 10, 4, 7))
    with pytest.raises(BadInputError, match="multiples of 16"):
        dataclasses.replace(SMALL, frame_height=100)
    with pytest.raises(BadInputError, match="fold must be even"):
        CodecConfig(fold=3)


def test_config_round_trip() -> None:
    assert CodecConfig.from_json(SMALL.to_json()) == SMALL
    with pytest.raises(BadInputError, match="colour"):
        CodecConfig.from_json({"colour": 3})


@pytest.mark.parametrize(
    ("size", "cell", "tokens"),
    [
        ((720, 480), 80, 54),
        ((640, 360), 40, 144),
        ((64, 64), 8, 64),
        ((1280, 720), 80, 144),
        ((8, 8), 2, 16),
        ((256, 256), 32, 64),
        ((320, 240), 40, 48),
    ],
)
def test_cells_fit_the_frame(size: tuple[int, int], cell: int, tokens: int) -> None:
    config = CodecConfig().fitted(*size)
    _, height, width = config.latent_shape
    assert (config.cell, height * width) == (cell, tokens)
    assert (config.frame_width, config.frame_height) == size


def test_a_small_frame_is_not_reduced() -> None:
    config = CodecConfig(coarse_width=16, coarse_blocks=1, fine_width=8, fine_blocks=1).fitted(256, 256)
    assert (config.reduction, config.fold, config.fine_width) == (1, 8, 12)
    assert CodecConfig().fitted(144, 192).fold == 4
    codec = Codec(config).eval()
    assert codec.detail is None
    frames = torch.rand(1, 2, 3, 256, 256) * 2 - 1
    with torch.inference_mode():
        latents = codec.encode(frames)
        made = codec.decode(latents)
        pixels = codec.decode_pixels(latents[0])
    assert made.shape == frames.shape
    expected = made[0].permute(0, 2, 3, 1).mul(127.5).add(128).clamp(0, 255).to(torch.uint8)
    assert torch.equal(pixels, expected)


@pytest.mark.parametrize(
    ("size", "comfortable"),
    [
        ((600, 400), (360, 240)), ((160, 210), (144, 192)), ((1920, 1080), (432, 240)), ((640, 480), (384, 288)),
        ((200, 200), (192, 192)), ((96, 96), (96, 96)), ((300, 1000), (160, 520)),
    ],
)  # fmt: skip
def test_any_size_has_a_comfortable_one(size: tuple[int, int], comfortable: tuple[int, int]) -> None:
    found = comfortable_size(*size)
    assert found == comfortable
    CodecConfig().fitted(*found)


def test_a_size_that_no_cell_divides_names_the_nearest() -> None:
    with pytest.raises(BadInputError, match=r"multiples of 8; got 641x357: try 640x360"):
        CodecConfig().fitted(641, 357)
