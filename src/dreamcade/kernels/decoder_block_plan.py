"""How a fused convolution is cut into tiles, and every tensor that it touches: plain arithmetic, no kernel.

The map is cut into tiles of pixels; a program makes one tile of pixels × one block of output channels at a time, by
matrix products over (tap, input channel). The same input pixel is needed by nine taps, so where the input has to be
normalised, a program first writes its tile with a border of one pixel, normalised and zero-padded, to a small *scratch*
of its own, some channels at a time, and then multiplies from there. Normalising at every tap instead costs nine times
the exponentials, and they, not the products, would set the pace: a 128×64 tile of a tap holds 8192 values, so 16384
special-function operations at 16 a clock, against 512 clocks of tensor core for 128 output channels.

Programs stay and take tile after tile, so all scratch together is a few MB that the level-two cache holds.

Sizes follow from shapes alone and never from a clock: the same map gives the same bits on every run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from dreamcade.kernels.decoder_block import NO_BORDERS, Borders, Norm, PackedConv, Statistics

PIXEL_TILES = ((8, 16), (4, 32), (16, 8), (2, 64), (32, 4))
PROGRAMS_PER_PROCESSOR = 2
"""Two programs share a multiprocessor: while one normalises, the other multiplies."""
INTERPRETED_PROCESSORS = 2
H200_PROCESSORS = 132


@dataclass(frozen=True, slots=True)
class Tiling:
    """A program's tile: `rows` × `columns` pixels of the input's grid, `block_out` channels; `block_in` input channels
    a product, `chunk` input channels in the scratch at a time. All but `chunk` are powers of two."""

    rows: int
    columns: int
    block_out: int
    block_in: int
    chunk: int
    warps: int = 4
    stages: int = 3

    @property
    def pixels(self) -> int:
        return self.rows * self.columns


@dataclass(frozen=True, slots=True)
class Plan:
    """One launch: what is read, what is written, and the tiling. `partials` is float32 `[3, B, lanes, tiles]`: count,
    mean and squared deviations of each tile's `lane` channels; merged into `statistics`."""

    x: Tensor
    conv: PackedConv
    norm: Norm | None
    residual: Tensor | None
    tiling: Tiling
    programs: int
    y: Tensor
    scratch: Tensor | None
    partials: Tensor | None
    statistics: Statistics | None
    borders: Borders = NO_BORDERS

    @property
    def phases(self) -> int:
        return self.conv.blocks.shape[0]

    @property
    def taps_wide(self) -> int:
        """Taps each way: 3, 2 (a phase of a 3×3 that upsamples) or 1."""
        return {1: 1, 4: 2, 9: 3}[self.conv.blocks.shape[1]]

    @property
    def height(self) -> int:
        """Rows of `x` that are its own."""
        return self.x.shape[2] - self.borders.rows

    @property
    def tiles(self) -> tuple[int, int]:
        """Tiles down and across one map."""
        return -(-self.height // self.tiling.rows), -(-self.x.shape[3] // self.tiling.columns)

    @property
    def lane(self) -> int:
        """Neighbouring output channels that are measured together: none of them crosses a group or a block."""
        return 1 if self.statistics is None else _lane(self.y.shape[1], self.statistics.groups, self.tiling.block_out)


def plan_conv(
    x: Tensor, conv: PackedConv, *, norm: Norm | None = None, residual: Tensor | None = None,
    groups: int | None = None, borders: Borders = NO_BORDERS, tiling: Tiling | None = None,
) -> Plan:  # fmt: skip
    """The launch of `fused_conv` with these arguments; outputs are allocated, nothing is computed."""
    batch, _, rows, width = x.shape
    height = rows - borders.rows
    scale = 2 if conv.upsample else 1
    tiling = tiling or tiling_for(height, width, conv, norm is not None)
    down, across = -(-height // tiling.rows), -(-width // tiling.columns)
    outputs = conv.channels[1]
    phases = conv.blocks.shape[0]
    items = batch * down * across * phases * -(-outputs // tiling.block_out)
    programs = items if norm is None else min(items, PROGRAMS_PER_PROCESSOR * processors(x.device))
    border = {1: 0, 4: 1, 9: 2}[conv.blocks.shape[1]]
    scratch = partials = statistics = None
    if norm is not None:
        region = (tiling.rows + border) * (tiling.columns + border)
        scratch = x.new_empty((programs, region, tiling.chunk))
    if groups is not None:
        lanes = outputs // _lane(outputs, groups, tiling.block_out)
        partials = x.new_empty((3, batch, lanes, down * across * phases), dtype=torch.float32)
        mean, variance = x.new_empty((2, batch, groups), dtype=torch.float32).unbind()
        statistics = Statistics(mean, variance)
    y = x.new_empty((batch, height * scale + borders.rows, width * scale, outputs)).permute(0, 3, 1, 2)
    x, residual = _channels_last(x), None if residual is None else _channels_last(residual)
    return Plan(x, conv, norm, residual, tiling, programs, y, scratch, partials, statistics, borders)


def tiling_for(height: int, width: int, conv: PackedConv, normalised: bool) -> Tiling:
    """The tiling of a map of this size: 128 pixels (fewer on tiny maps) in the shape that wastes least."""
    wide = conv.weight.element_size() == 4
    inputs, outputs = conv.blocks.shape[2:]
    pixels = 128
    while pixels > 16 and pixels >= 2 * height * width:
        pixels //= 2
    shapes = PIXEL_TILES if pixels == 128 else ((4, pixels // 4), (2, pixels // 2))
    rows, columns = min(shapes, key=lambda tile: _cost(height, width, *tile))
    block_in = min(32 if wide else 64, inputs)
    chunk = inputs if not normalised or inputs % 128 else 128
    chunk = 64 if normalised and inputs > 128 and inputs % 128 else chunk
    return Tiling(rows, columns, 128 if outputs % 128 == 0 else min(64, outputs), block_in, chunk)


def _cost(height: int, width: int, rows: int, columns: int) -> tuple[int, int]:
    return -(-height // rows) * -(-width // columns), rows + columns


def _lane(outputs: int, groups: int, block_out: int) -> int:
    size = outputs // groups
    return min(size & -size, block_out)


def _channels_last(x: Tensor) -> Tensor:
    """`[B, C, H, W]` stored as `[B, H, W, C]`, copied only where it is not."""
    return x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def processors(device: torch.device) -> int:
    """Multiprocessors of the device. A planned launch without memory (`meta`) is planned for an H200."""
    if device.type == "cuda":
        return _cuda_processors(torch.cuda.current_device() if device.index is None else device.index)
    return H200_PROCESSORS if device.type == "meta" else INTERPRETED_PROCESSORS


@cache
def _cuda_processors(index: int) -> int:
    return torch.cuda.get_device_properties(index).multi_processor_count
