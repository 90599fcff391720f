"""Checked pixels → latents."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from dreamcade.codec import Codec
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import Pixels

_CHUNK = 8
"""Frames encoded at once: bounds the memory that a long context takes."""


def check_frames(frames: Any, frame_size: tuple[int, int]) -> Pixels:
    """Returns `frames` as uint8 `[T, H, W, 3]`, T ≥ 1, or raises `BadInputError` (dtype, shape)."""
    width, height = frame_size
    array = np.asarray(frames)
    expected = f"uint8 [T, {height}, {width}, 3]"
    if array.dtype != np.uint8:
        raise BadInputError(f"frames must be {expected}; got dtype {array.dtype} (for values in 0…1: multiply by 255)")
    if array.ndim != 4 or array.shape[0] < 1 or array.shape[1:] != (height, width, 3):
        raise BadInputError(f"frames must be {expected} with at least one frame; got {list(array.shape)}")
    return array


@torch.inference_mode()
def encode_pixels(codec: Codec, frames: Pixels) -> Tensor:
    """uint8 `[T, H, W, 3]` → latents float `[T, c, h, w]`, in the dtype and on the device of the codec."""
    weight = next(codec.parameters())
    latents = []
    for chunk in torch.split(torch.from_numpy(np.ascontiguousarray(frames)), _CHUNK):
        scaled = chunk.to(weight.device).to(weight.dtype) / 127.5 - 1.0
        latents.append(codec.encode(rearrange(scaled, "t h w c -> 1 t c h w"))[0])
    return torch.cat(latents)
