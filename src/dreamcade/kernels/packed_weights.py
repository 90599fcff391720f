"""Weights of linear layers in a few bits: how they are stored, packed and read back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamcade.core.errors import BadInputError

GROUPS = (32, 64, 128)
"""Neighbouring inputs that may share a scale in four bits; half a group is what a tensor core multiplies at once."""
SHRINKS = tuple(1.0 - 0.025 * i for i in range(17))
"""Of a group's range: what the search for its scale tries. Less range means finer steps, and clipped ends."""
LARGEST_FP8 = 448.0
"""The largest number of float8 e4m3."""
_TINY = 2.0**-14
"""The smallest scale of four bits: float16's smallest normal number."""


@dataclass(frozen=True, slots=True)
class Int4Weight:
    """A weight `[N, K]` in four bits: number · `scale` + `low`, for each group of `group` neighbouring inputs.

    `packed` uint8 `[N, Kp / 2]`, Kp being K rounded up to whole groups (what is padded is zero): byte j of a group
    holds its input j below and its input j + group / 2 above, so that half a group unpacks in order. `scale` float16
    `[N, Kp / group]`; `low` likewise, or none: numbers then mean −8 … 7.
    """

    packed: Tensor
    scale: Tensor
    low: Tensor | None
    columns: int
    """K."""

    @property
    def group(self) -> int:
        """Inputs that share a scale."""
        return 2 * self.packed.shape[1] // self.scale.shape[1]

    @property
    def nbytes(self) -> int:
        """What it occupies."""
        return sum(t.nbytes for t in (self.packed, self.scale, self.low) if t is not None)


@dataclass(frozen=True, slots=True)
class Int8Weight:
    """A weight `[N, K]` as int8 `values` in −127 … 127 times float32 `scale` `[N]`."""

    values: Tensor
    scale: Tensor

    @property
    def nbytes(self) -> int:
        """What it occupies."""
        return self.values.nbytes + self.scale.nbytes


@dataclass(frozen=True, slots=True)
class Fp8Weight:
    """A weight `[N, K]` as float8 e4m3 `values` times float32 `scale` `[N]`; `values` are kept as uint8, bit for bit:
    casting a module does not touch them."""

    values: Tensor
    scale: Tensor

    @property
    def nbytes(self) -> int:
        """What it occupies."""
        return self.values.nbytes + self.scale.nbytes


PackedWeight = Int4Weight | Int8Weight | Fp8Weight


def pack_int4(
    weight: Tensor, group: int = 64, symmetric: bool = False, search: bool = True, importance: Tensor | None = None
) -> Int4Weight:
    """A finite weight `[N, K]` in four bits.

    `search` tries smaller ranges for each group (`SHRINKS`) and keeps the one of least squared error; `importance`
    `[K]`, not negative, weighs that error (an input's mean square is what its error counts in the output). Without it
    every group spans its extremes, as round to nearest does: then |w − ŵ| ≤ scale · (1/2 + 2⁻⁶).
    Raises `BadInputError` for a weight or a group that cannot be packed.
    """
    _expect_weight(weight)
    if group not in GROUPS:
        raise BadInputError(f"group must be one of {', '.join(map(str, GROUPS))}; got {group}")
    if importance is not None and importance.shape != weight.shape[1:]:
        raise BadInputError(f"importance must be [{weight.shape[1]}]; got {list(importance.shape)}")
    rows, columns = weight.shape
    pad = -columns % group
    groups = F.pad(weight.detach().float(), (0, pad)).view(rows, -1, group)
    cost = torch.ones_like(groups[0]) if importance is None else F.pad(importance.float(), (0, pad)).view(-1, group)
    numbers, scale, low = _fit_groups(groups, cost, symmetric, SHRINKS if search else SHRINKS[:1])
    below, above = numbers.to(torch.uint8).chunk(2, -1)
    return Int4Weight((below | above << 4).flatten(1).contiguous(), scale, low, columns)


def _fit_groups(
    groups: Tensor, cost: Tensor, symmetric: bool, shrinks: tuple[float, ...]
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Groups `[N, G, g]`, cost `[G, g]` → numbers 0 … 15, scale and low `[N, G]` of least error among `shrinks`."""
    smallest, largest = groups.amin(-1).clamp(max=0), groups.amax(-1).clamp(min=0)
    best: tuple[Tensor, Tensor, Tensor, Tensor] | None = None
    for shrink in shrinks:
        if symmetric:
            # −8 is one step further than 7: the longer side decides which of them an extreme falls on.
            scale = shrink * torch.maximum(largest / 7, -smallest / 8)
            scale = scale.clamp(min=_TINY).half()
            low = -8 * scale.float()
        else:
            scale = (shrink * (largest - smallest) / 15).clamp(min=_TINY).half()
            low = (smallest + (1 - shrink) / 2 * (largest - smallest)).half().float()
        # With the scale as it is stored: its own rounding is then part of what the numbers make good.
        numbers = ((groups - low[..., None]) / scale.float()[..., None]).round().clamp(0, 15)
        error = ((numbers * scale.float()[..., None] + low[..., None] - groups).square() * cost).sum(-1)
        if best is None:
            best = numbers, scale, low, error
        else:
            better = error < best[3]
            best = (
                torch.where(better[..., None], numbers, best[0]),
                torch.where(better, scale, best[1]),
                torch.where(better, low, best[2]),
                torch.where(better, error, best[3]),
            )
    assert best is not None
    return best[0], best[1], None if symmetric else best[2].half()


def pack_int8(weight: Tensor) -> Int8Weight:
    """A finite weight `[N, K]` in eight bits, a scale per output: |w − ŵ| ≤ 0.5001 · scale."""
    _expect_weight(weight)
    weight = weight.detach().float()
    scale = (weight.abs().amax(1) / 127).clamp(min=1e-30)
    return Int8Weight((weight / scale[:, None]).round().clamp(-127, 127).to(torch.int8), scale)


def pack_fp8(weight: Tensor) -> Fp8Weight:
    """A finite weight `[N, K]` as float8 e4m3, a scale per output: |w − ŵ| ≤ 2⁻⁴·|w| + 2⁻¹⁰·scale."""
    _expect_weight(weight)
    weight = weight.detach().float()
    scale = (weight.abs().amax(1) / LARGEST_FP8).clamp(min=1e-30)
    values = (weight / scale[:, None]).clamp(-LARGEST_FP8, LARGEST_FP8).to(torch.float8_e4m3fn)
    return Fp8Weight(values.view(torch.uint8), scale)


def unpack(weight: PackedWeight, dtype: torch.dtype = torch.float32) -> Tensor:
    """What a packed weight stands for, `[N, K]`, rounded to `dtype`."""
    if isinstance(weight, Int4Weight):
        return _unpack_int4(weight).to(dtype)
    values = weight.values if isinstance(weight, Int8Weight) else weight.values.view(torch.float8_e4m3fn)
    return (values.float() * weight.scale[:, None]).to(dtype)


def _unpack_int4(weight: Int4Weight) -> Tensor:
    pairs = weight.packed.view(len(weight.packed), -1, weight.group // 2)
    numbers = torch.cat([pairs & 15, pairs >> 4], -1).float()
    scale = weight.scale.float()[..., None]
    low = -8 * scale if weight.low is None else weight.low.float()[..., None]
    return (numbers * scale + low).flatten(1)[:, : weight.columns]


def _expect_weight(weight: Tensor) -> None:
    if weight.ndim != 2 or not weight.is_floating_point() or 0 in weight.shape:
        raise BadInputError(f"a weight must be floating point [N, K]; got {weight.dtype} {list(weight.shape)}")
    if not bool(weight.isfinite().all()) or float(weight.abs().max()) > 60000:
        raise BadInputError("a weight must be finite and within 60000 to be stored in few bits")
