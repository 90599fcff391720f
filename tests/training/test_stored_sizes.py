"""A training goes on with the sizes that it began with."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamcade.core.checkpoint import save_tensors
from dreamcade.core.errors import CheckpointError
from dreamcade.dynamics import DynamicsConfig
from dreamcade.training.dynamics_trainer import stored_sizes

NOTHING_ASKED = {"width": None, "depth": None, "motion_points": None}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "dynamics.checkpoint.safetensors"
    save_tensors(path, {}, {"step": 3, "config": DynamicsConfig(width=64, heads=2).to_json()})
    return path


def test_what_is_stored_counts(checkpoint: Path) -> None:
    assert stored_sizes(checkpoint, NOTHING_ASKED) == DynamicsConfig(width=64, heads=2)
    assert stored_sizes(checkpoint, NOTHING_ASKED | {"width": 64}).width == 64


def test_other_sizes_are_refused(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has motion_points 0, not 16: leave the option away, or .* --fresh"):
        stored_sizes(checkpoint, NOTHING_ASKED | {"motion_points": 16})


@pytest.mark.parametrize("facts", [{}, {"config": {"wheels": 4}}])
def test_a_strange_file_is_named(tmp_path: Path, facts: dict[str, object]) -> None:
    path = tmp_path / "other.safetensors"
    save_tensors(path, {}, facts)
    with pytest.raises(CheckpointError, match=r"other\.safetensors is no dynamics' checkpoint"):
        stored_sizes(path, NOTHING_ASKED)
