"""Small plays made of arithmetic: this room knows no game."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dreamcade.core.controls import Axis, Button, Controls
from dreamcade.core.types import Episode
from dreamcade.dataset.format import DatasetMeta
from dreamcade.dataset.writer import DatasetWriter

META = DatasetMeta(
    game="test:ramp",
    controls=Controls(axes=(Axis("steer"),), buttons=(Button("jump"),)),
    frame_size=(48, 32),
    tick_rate=25.0,
    licence="CC0",
    recorded_by="tests",
    recording={"seed": 0, "ticks": 40},
)


def ramp_episode(seed: int, length: int = 40) -> Episode:
    """A light square on a gradient; every frame tells its tick by where the square is."""
    rng = np.random.default_rng(seed)
    frames = np.zeros((length, 32, 48, 3), np.uint8)
    frames[..., 0] = np.linspace(20, 120, 48)
    frames[..., 1] = (seed * 40) % 200
    for t in range(length):
        x, y = 4 * (t % 11), 6 * (t // 11 % 5)
        frames[t, y : y + 6, x : x + 4] = 230
    actions = np.stack([rng.uniform(-1, 1, length), rng.integers(0, 2, length)], axis=1).astype(np.float32)
    columns = {
        "speed": rng.uniform(0, 60, length).astype(np.float32),
        "on_track": rng.integers(0, 5, length),
        "place": rng.normal(size=(length, 2)).astype(np.float32),
        "terminated": np.arange(length) == length - 1,
        "style": np.array(["calm", "wild"])[rng.integers(0, 2, length)],
    }
    return Episode(seed, frames, actions, columns)


@pytest.fixture
def meta() -> DatasetMeta:
    return META


@pytest.fixture
def other_meta() -> DatasetMeta:
    return replace(META, recording={"seed": 1, "ticks": 40})


@pytest.fixture(scope="session")
def make_episode() -> Callable[..., Episode]:
    return ramp_episode


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A dataset of three episodes (seeds 0, 1, 2; 40 ticks; seed 2 held out)."""
    writer = DatasetWriter(tmp_path / "data", META)
    for seed in range(3):
        writer.write(ramp_episode(seed), "heldout" if seed == 2 else "train")
    return tmp_path / "data"
