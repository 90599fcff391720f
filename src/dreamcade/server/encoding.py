"""Pixels → the JPEG that travels."""

from __future__ import annotations

import numpy as np
import simplejpeg  # type: ignore[import-untyped]

from dreamcade.core.errors import BadInputError
from dreamcade.core.types import Pixels

QUALITY = 88
"""Above this a 720×480 frame grows quickly and looks the same."""


def encode_jpeg(pixels: Pixels, quality: int = QUALITY) -> bytes:
    """uint8 RGB `[H, W, 3]` → JPEG bytes (4:2:0). Raises `BadInputError` for another shape or dtype."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise BadInputError(f"a frame must be uint8 [H, W, 3]; got {pixels.dtype} {list(pixels.shape)}")
    return bytes(
        simplejpeg.encode_jpeg(
            np.ascontiguousarray(pixels), quality=quality, colorspace="RGB", colorsubsampling="420", fastdct=True
        )
    )
