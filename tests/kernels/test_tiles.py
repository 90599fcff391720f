"""Tiles follow from shapes: they waste little, keep a GPU at work, and no clock has a say."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import dreamcade
from dreamcade.kernels.tiles import BUSY, EIGHT_BIT_TILES, INT4_TILES, Tile, attention_tile, product_tile, vector_tile

SIZES = st.integers(1, 10000)


@given(SIZES, SIZES, st.sampled_from([INT4_TILES, EIGHT_BIT_TILES]))
def test_products(rows: int, outputs: int, tiles: tuple[Tile, ...]) -> None:
    tile = product_tile(tiles, rows, outputs)
    assert tile in tiles and tile.rows < max(17, 2 * rows) and tile.columns < max(17, 2 * outputs)
    programs = -(-rows // tile.rows) * -(-outputs // tile.columns)
    assert programs >= BUSY or tile == tiles[0]


def test_of_the_papers_sizes() -> None:
    assert product_tile(INT4_TILES, 1350, 7680) == product_tile(INT4_TILES, 1350, 1920) == INT4_TILES[-1]
    assert product_tile(EIGHT_BIT_TILES, 1350, 7680) == EIGHT_BIT_TILES[-1]
    assert product_tile(EIGHT_BIT_TILES, 1, 7680) == Tile(16, 64, 128)
    assert [vector_tile(outputs).columns for outputs in (768, 7680, 20000, 50000)] == [16, 16, 32, 64]
    assert attention_tile(1350, 64, 16, 2) == Tile(128, 128, warps=8, stages=2)
    assert attention_tile(1350, 64, 4, 2) == Tile(128, 64, warps=8, stages=3)
    assert attention_tile(256, 64, 16, 2) == attention_tile(1, 64, 16, 2) == Tile(64, 64)


@given(SIZES, st.sampled_from([32, 64, 128]), st.sampled_from([16, 8, 4]), st.sampled_from([2, 4]))
def test_attention_fits_on_chip(tokens: int, head_dim: int, bits: int, size: int) -> None:
    tile = attention_tile(tokens, head_dim, bits, size)
    assert (tile.rows + 2 * tile.stages * tile.columns) * head_dim * size <= 99 << 10


def test_no_kernel_is_chosen_by_a_clock() -> None:
    rooms = Path(dreamcade.__file__).parent
    assert not [path for path in rooms.rglob("*.py") if "autotune" in path.read_text()]
