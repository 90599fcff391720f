from __future__ import annotations

import numpy as np
import pytest
import simplejpeg

from dreamcade.core.errors import BadInputError
from dreamcade.server.encoding import encode_jpeg


def test_a_frame_looks_the_same_after_the_wire() -> None:
    y, x = np.mgrid[0:48, 0:72]
    pixels = np.stack([y * 4, x * 3, 255 - y * 4], -1).astype(np.uint8)
    decoded = simplejpeg.decode_jpeg(encode_jpeg(pixels), colorspace="RGB")
    assert decoded.shape == pixels.shape
    assert np.abs(decoded.astype(int) - pixels).mean() < 3


def test_a_view_is_encoded_like_its_copy() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (32, 96, 3), np.uint8)[:, ::2]
    assert encode_jpeg(pixels) == encode_jpeg(pixels.copy())


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_other_shapes_and_types_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(BadInputError, match="uint8 \\[H, W, 3\\]"):
        encode_jpeg(pixels)
