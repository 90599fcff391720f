"""Bytes of sequence parallelism by formula. That they are what is sent, `test_sequence_parallel` counts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dreamcade.cluster.exchange_bytes import (
    attention_exchange_bytes,
    diffusion_exchanges,
    diffusion_sent_bytes,
    gather_bytes,
)
from dreamcade.dynamics.diffusion_config import PRESETS

PAPER = PRESETS["paper"]


def test_the_papers_size_over_five() -> None:
    """30 heads and 1350 tokens divide by 5: every rank sends 4·L/N·D·(N − 1)/N numbers a layer and step."""
    of_layer = 2 * 4 * 270 * 1920 * 4 // 5
    for rank in range(5):
        assert attention_exchange_bytes(1350, 30, 64, 5, rank) == of_layer
        assert diffusion_sent_bytes(PAPER, 5, rank) == 60 * of_layer + 4 * 270 * 64 * 4
    assert diffusion_exchanges(PAPER) == 121


@pytest.mark.parametrize("ranks", [2, 3, 4, 5, 7, 30])
def test_all_that_is_sent_together(ranks: int) -> None:
    """Tokens times heads, less those pairs that are on one rank already."""
    together = sum(attention_exchange_bytes(1350, 30, 64, ranks, rank) for rank in range(ranks))
    assert together == pytest.approx(2 * 64 * 4 * 1350 * 30 * (1 - 1 / ranks), rel=0.01)
    assert sum(gather_bytes(1350, 64, ranks, rank) for rank in range(ranks)) == 4 * 1350 * 64 * (ranks - 1)


def test_nothing_is_sent_alone() -> None:
    assert diffusion_sent_bytes(PAPER, 1, 0) == 0


def test_counting_needs_no_pytorch() -> None:
    code = "import sys, dreamcade.cluster.exchange_bytes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0
