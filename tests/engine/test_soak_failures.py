"""The short form of `benches/soak_failures.py`: play in the middle of which workers are killed and stopped."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dreamcade.world import World

SCRIPT = Path(__file__).parents[2] / "benches" / "soak_failures.py"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("soak_failures", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_nobody_is_lost_in_a_short_soak(tiny_world: World, script: ModuleType) -> None:
    figures = script.soak(tiny_world, minutes=0.12, every=3.0, kernels="reference")
    assert figures["killed"] + figures["stopped"] >= 1
    assert figures["noticed_s_worst"] < 1.0
    assert figures["frames_compared"] > 3
