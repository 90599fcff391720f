from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dreamcade.core.controls import Button, Controls
from dreamcade.core.types import Episode
from dreamcade.dataset.format import DatasetMeta
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.writer import DatasetWriter
from dreamcade.training.action_levels import CANDIDATES, LEAST, TOLERANCE, Trial, choose_levels
from dreamcade.world import World

CPU = torch.device("cpu")


def record(world: World, folder: Path, actions: np.ndarray) -> Dataset:
    """One held-out episode of noise under `actions`."""
    meta = DatasetMeta("toy:square", world.controls, world.frame_size, 50.0, "CC0-1.0", "a test")
    width, height = world.frame_size
    frames = np.random.default_rng(0).integers(0, 255, (len(actions), height, width, 3)).astype(np.uint8)
    DatasetWriter(folder, meta).write(Episode(0, frames, actions.astype(np.float32), {}), "heldout")
    return Dataset.open(folder)


def test_a_grid_is_as_fine_as_the_world_needs(tiny_world: World, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = record(tiny_world, tmp_path / "data", np.stack([rng.uniform(-1, 1, 60), rng.integers(0, 2, 60)], 1))
    levels, trials = choose_levels(tiny_world, data, CPU, count=2)
    assert levels[0] in CANDIDATES and levels[0] >= LEAST and levels[1] == 1
    assert [trial.control for trial in trials[-1:]] == ["all"]
    alone = [trial for trial in trials if trial.control == "steer"]
    assert all(trial.dearness > 1 for trial in alone[:-1])
    assert all(cost >= 0 for trial in trials for cost in trial.added)
    assert choose_levels(tiny_world, data, CPU, count=2) == (levels, trials)


def test_keys_need_one_level_and_no_measuring(tiny_world: World, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = record(tiny_world, tmp_path / "data", rng.integers(0, 2, (60, 2)))
    levels, trials = choose_levels(tiny_world, data, CPU, count=2)
    assert levels == (1, 1)
    assert [trial.added for trial in trials] == [(0.0, 0.0)] * 2


def test_dearness_is_the_worse_of_both() -> None:
    near, far = TOLERANCE
    assert Trial("steer", (4,), (near / 2, far), (0.0, 0.0)).dearness == pytest.approx(1)
    assert Trial("steer", (4,), (near * 2, 0.0), (0.0, 0.0)).to_json()["fine"] is False


def test_buttons_alone(tiny_world: World, tmp_path: Path) -> None:
    import dataclasses

    controls = Controls(buttons=(Button("jump"), Button("run")))
    manifest = dataclasses.replace(tiny_world.manifest, controls=controls)
    world = dataclasses.replace(tiny_world, manifest=manifest)
    assert choose_levels(world, record(world, tmp_path / "data", np.zeros((60, 2))), CPU) == ((1, 1), [])
