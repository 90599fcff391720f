"""Which tile a fused matrix product or attention works in: by shapes alone, never by a clock.

A clock would choose one tile today and another tomorrow, and sums in another order are other sums: the same seed and
actions would give other frames. Nor does the number of sessions choose attention's tile.

All tiles with their stages fit into the 99 KB of shared memory that a program has on every GPU since Ampere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BUSY = 100
"""Programs that keep a GPU of about 132 multiprocessors at work."""
FEW_TOKENS = 512
"""Up to so many queries of a head, smaller blocks of them keep more multiprocessors at work."""


@dataclass(frozen=True, slots=True)
class Tile:
    """`rows` inputs (or queries) × `columns` outputs (or keys); `inner` of what is summed at a time, where it is not
    given by a group of weights. All are powers of two from 16."""

    rows: int
    columns: int
    inner: int = 0
    warps: int = 4
    stages: int = 3


INT4_TILES = (
    Tile(16, 16), Tile(16, 64), Tile(64, 16), Tile(64, 32), Tile(64, 64), Tile(128, 64, warps=8),
    Tile(128, 128, warps=8),
)  # fmt: skip
"""By size. Larger ones do not fit into registers: each group's products are kept beside the sums."""
EIGHT_BIT_TILES = (
    Tile(16, 16, 128), Tile(16, 64, 128), Tile(64, 16, 64), Tile(64, 32, 64), Tile(64, 64, 128),
    Tile(128, 128, 128, warps=8), Tile(128, 256, 64, warps=8, stages=4),
)  # fmt: skip


def product_tile(tiles: Sequence[Tile], rows: int, outputs: int) -> Tile:
    """The largest tile that is not mostly padding and leaves no multiprocessor idle; where all do, the smallest."""
    widest = max(16, _power_of_two(rows)), max(16, _power_of_two(outputs))
    fitting = [tile for tile in tiles if tile.rows <= widest[0] and tile.columns <= widest[1]]
    busy = [tile for tile in fitting if -(-rows // tile.rows) * -(-outputs // tile.columns) >= BUSY]
    return max(busy, key=lambda tile: tile.rows * tile.columns, default=tiles[0])


def vector_tile(outputs: int) -> Tile:
    """Outputs of a program that multiplies a single row: as many as leave a few programs to every multiprocessor."""
    if outputs <= 16 * 512:
        return Tile(1, 16)
    return Tile(1, 32) if outputs <= 32 * 1024 else Tile(1, 64, warps=8)


def attention_tile(tokens: int, head_dim: int, bits: int, size: int) -> Tile:
    """Of `tokens` queries of `size` bytes a number, to a cache in so many bits. Codes become floats in registers, of
    which they leave less for a wide block."""
    line = head_dim * size
    columns = 128 if bits == 16 and line <= 128 else 64 if line <= 256 else 32
    if tokens <= FEW_TOKENS or line > 256:
        return Tile(64, min(64, columns), stages=3 if line <= 128 else 2)
    return Tile(128, columns, warps=8, stages=3 if columns == 64 and line <= 128 else 2)


def _power_of_two(number: int) -> int:
    return 1 << max(0, number - 1).bit_length()
