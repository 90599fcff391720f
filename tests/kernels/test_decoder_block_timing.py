"""The bench of the fused block, at toy size."""

from __future__ import annotations

import json

import pytest
import torch

from dreamcade.core.errors import BadInputError
from dreamcade.kernels.choice import using
from dreamcade.kernels.decoder_block_plan import Tiling
from dreamcade.kernels.decoder_block_timing import (
    REAL_SIZES,
    BlockSize,
    candidate_tilings,
    measure_decoder_block,
    sweep_tilings,
)

CPU = torch.device("cpu")
TOY = BlockSize(16, 8, 12, upsample=True)


def test_all_sides_compute_the_same_and_are_timed() -> None:
    with using("reference"):
        found = measure_decoder_block(TOY, device=CPU, dtype=torch.float32, groups=4, compiled=False, rounds=3, calls=2)
    assert json.loads(json.dumps(found)) == found
    assert set(found["times"]) == {"fused", "eager, channels last", "eager, channels first"}
    assert all(error < 1e-6 for error in found["errors"].values())
    for side in found["times"].values():
        assert side["pair_ms"] > 0 and side["block_ms"] == side["pair_ms"] - side["closing_ms"]
    fastest = min(found["times"][f"eager, channels {order}"]["pair_ms"] for order in ("first", "last"))
    assert found["speedup"]["eager"]["pair"] == pytest.approx(fastest / found["times"]["fused"]["pair_ms"])
    assert found["traffic"]["unfused"]["transactions"] == 8 and found["traffic"]["fused"]["transactions"] == 2


def test_the_kernels_are_what_is_measured() -> None:
    pytest.importorskip("triton")
    with using("triton"):
        found = measure_decoder_block(
            TOY, device=CPU, dtype=torch.bfloat16, groups=4, compiled=False, rounds=1, calls=1
        )
    assert 1e-4 < found["errors"]["fused"] < 0.02
    assert found["errors"]["fused"] != found["errors"]["eager, channels last"]


def test_a_sweep_puts_the_fastest_first() -> None:
    pytest.importorskip("triton")
    tilings = [Tiling(4, 4, 16, 16, 16), Tiling(4, 8, 16, 16, 16)]
    found = sweep_tilings(TOY, tilings, device=CPU, dtype=torch.float32, groups=4, rounds=1, calls=1)
    assert len(found) == 2 and found[0]["ms"] <= found[1]["ms"]


@pytest.mark.parametrize("size", REAL_SIZES, ids=str)
def test_candidates_divide_what_is_packed(size: BlockSize) -> None:
    tilings = candidate_tilings(size)
    assert len(tilings) >= 12
    assert all(size.channels % t.block_out == 0 and t.chunk % t.block_in == 0 for t in tilings)


def test_an_odd_map_was_not_upsampled() -> None:
    with pytest.raises(BadInputError, match="even height and width; got 7x8"):
        BlockSize(16, 7, 8, upsample=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("size", REAL_SIZES, ids=str)
def test_it_is_faster_than_pytorch_at_real_sizes(size: BlockSize) -> None:
    found = measure_decoder_block(size, device=torch.device("cuda"))
    assert found["errors"]["fused"] < 1.5 * found["errors"]["eager, channels last"]
    assert found["speedup"]["eager"]["block"] > 2
    assert found["speedup"]["compiled"]["block"] > 1.2
