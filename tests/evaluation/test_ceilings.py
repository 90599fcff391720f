from __future__ import annotations

import pytest
import torch

from dreamcade.evaluation.ceilings import Ceilings, last_level_cache, measure_ceilings

CPU = torch.device("cpu")


def test_ceilings_are_those_of_a_machine_of_this_age() -> None:
    found = measure_ceilings(CPU, [torch.float32], matrix=256, repeats=3)
    assert 1e9 < found.compute[torch.float32] < 1e14
    assert 1e8 < found.memory < 1e13
    assert 1e8 < found.cache < 1e14
    assert found.bandwidth(True) >= found.bandwidth(False) == found.memory
    assert found.ridge(torch.float32, False) == pytest.approx(found.compute[torch.float32] / found.memory)


def test_the_last_cache_is_larger_than_the_first() -> None:
    size = last_level_cache(CPU)
    assert size is None or size >= 1 << 18


def test_of_two_measurements_the_better_counts() -> None:
    one = Ceilings({torch.float32: 2.0, torch.bfloat16: 3.0}, 1.0, 5.0, 64, True)
    other = Ceilings({torch.float32: 4.0}, 2.0, 3.0, 64, True)
    assert one.or_better(other) == Ceilings({torch.float32: 4.0, torch.bfloat16: 3.0}, 2.0, 5.0, 64, True)
    assert one.flops(torch.float64) == 2.0  # not measured: the slowest that was
