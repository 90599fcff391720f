"""How the entries of the memory cache are stored: as they come, or in a few bits."""

from __future__ import annotations

import enum

import torch
from torch import Tensor


class Keeping(enum.StrEnum):
    """Of a number in the cache."""

    FULL = "full"
    """As the weights are."""
    INT8 = "int8"
    INT4 = "int4"

    @property
    def steps(self) -> int:
        """Whole numbers on the negative side; one less on the other."""
        return 8 if self is Keeping.INT4 else 128


def pack_entries(entries: Tensor, keeping: Keeping, run: int) -> tuple[Tensor, Tensor]:
    """Entries `[..., D]` → numbers (int8 `[..., D]`, or uint8 `[..., D / 2]` with two to a byte) and a bfloat16 scale
    `[..., D / run]` for each run of neighbours.

    The scale has a sign: the number furthest from zero is the negative end, so that no step is left over. An entry is
    off by at most half a scale; where it lies within a step of the other end, by a whole one and 2⁻⁸ of itself.
    """
    runs = entries.float().reshape(*entries.shape[:-1], -1, run)
    furthest = runs.gather(-1, runs.abs().argmax(-1, keepdim=True))
    scale = (furthest / -keeping.steps).bfloat16()
    steps = torch.where(scale == 0, 1.0, scale.float())
    numbers = (runs / steps).round().clamp(-keeping.steps, keeping.steps - 1).to(torch.int8).flatten(-2)
    if keeping is Keeping.INT4:
        below, above = (numbers + 8).to(torch.uint8).view(*numbers.shape[:-1], -1, 2).unbind(-1)
        numbers = below | above << 4
    return numbers, scale.squeeze(-1)


def unpack_entries(numbers: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """Inverse of `pack_entries`, as near as that can be."""
    if numbers.dtype == torch.uint8:
        numbers = torch.stack([numbers & 15, numbers >> 4], -1).flatten(-2).to(torch.int8) - 8
    runs = numbers.reshape(*scale.shape, -1)
    return (runs.to(dtype) * scale.to(dtype)[..., None]).flatten(-2)
