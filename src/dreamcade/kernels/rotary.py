"""Rotary positions (RoPE; Su et al. 2021) on three axes: frame, row, column.

Attention sees only differences of positions, so frames can be numbered for ever, provided that a number turns its
pairs exactly: in float32, ten million times one radian is wrong by half a radian. Here every frequency is a whole
number of `PERIOD`-ths of a turn, hence numbers count modulo `PERIOD` and products of whole numbers replace the
angle's large float. Frame 10,000,000 is as precise as frame 0, and nothing happens where the count wraps.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dreamcade.core.errors import BadInputError

PERIOD = 1 << 16
"""Steps of a full turn."""
BASE = 100.0
"""Ratio of an axis's fastest frequency, one radian a step, to where its slowest would end."""


def rotary_turns(head_dim: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """How far each pair of channels turns, in `PERIOD`-ths: by its place, int32 `[L, head_dim / 2]`, and per frame,
    int32 `[head_dim / 2]`, for a frame of `height` × `width` tokens.

    The first quarter of the pairs turns with the frame, the rest in equal shares with row and column.
    """
    if head_dim % 8 or head_dim < 8:
        raise BadInputError(f"rotary positions on three axes need a head_dim that is a multiple of 8; got {head_dim}")
    pairs = head_dim // 2
    by_frame = pairs // 4
    by_row = (pairs - by_frame) // 2
    frame, row, column = (_frequencies(n) for n in (by_frame, by_row, pairs - by_frame - by_row))
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    still = torch.zeros(height * width, by_frame, dtype=torch.int64)
    places = torch.cat([still, rows.reshape(-1, 1) * row, columns.reshape(-1, 1) * column], 1) % PERIOD
    frames = torch.cat([frame, torch.zeros(pairs - by_frame, dtype=torch.int64)])
    return places.int(), frames.int()


def rotary_table(number: Tensor, places: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines float32 `[B, L, head_dim / 2]` of frames `number` (int64 `[B]`, from 0), with the turns that
    `rotary_turns` gives. The same table serves every layer; nothing waits for the device."""
    turned = (number % PERIOD).int()[:, None, None] * frames
    angle = ((places + turned) % PERIOD).float() * (2 * math.pi / PERIOD)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Channels (0, 1), (2, 3), … of `[…, d]` turned by angles `[…, d / 2]`."""
    even, odd = x.reshape(*x.shape[:-1], -1, 2).unbind(-1)
    return torch.stack([even * cos - odd * sin, odd * cos + even * sin], -1).flatten(-2)


def _frequencies(count: int) -> Tensor:
    """From one radian a step, falling geometrically, as whole `PERIOD`-ths of a turn."""
    radians = BASE ** -(torch.arange(count, dtype=torch.float64) / max(count, 1))
    return (radians * PERIOD / (2 * math.pi)).round().long()
