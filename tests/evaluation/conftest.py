"""A small racing world and dataset: wide enough for LPIPS and the pilot's eyes, random in its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from dreamcade.codec import Codec, CodecConfig
from dreamcade.core.controls import Axis, Controls
from dreamcade.core.types import Episode, Pixels
from dreamcade.dataset.format import DatasetMeta
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.writer import DatasetWriter
from dreamcade.dynamics import Dynamics, DynamicsConfig
from dreamcade.world import World, make_start

Draw = Callable[..., Pixels]
WIDTH, HEIGHT = 96, 64
RATE = 25.0
CONTROLS = Controls(axes=(Axis("steer"), Axis("gas", 0.0), Axis("brake", 0.0)))


def draw_road(centre: float = 0.5, height: int = HEIGHT, width: int = WIDTH, lean: float = 0.0) -> Pixels:
    """Grass with a grey road whose middle is at `centre` (a fraction) below and leans by `lean` at the top."""
    picture = np.full((height, width, 3), (100, 202, 100), np.uint8)
    x = (np.arange(width) + 0.5) / width
    for row in range(height):
        middle = centre + lean * max(0.0, 0.75 - row / height)
        picture[row, np.abs(x - middle) < 0.11] = (102, 102, 102)
    picture[round(0.875 * height) :] = 0
    return picture


def play(length: int, seed: int) -> tuple[Pixels, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    actions = np.stack([rng.uniform(-1, 1, length), rng.uniform(0, 1, length), np.zeros(length)], 1)
    centres = 0.5 + 0.2 * np.sin(np.arange(length) / 15)
    return np.stack([draw_road(float(c)) for c in centres]), actions.astype(np.float32)


@pytest.fixture(scope="session")
def racing_controls() -> Controls:
    return CONTROLS


@pytest.fixture(scope="session")
def road_picture() -> Draw:
    return draw_road


@pytest.fixture(scope="session")
def racing_world() -> World:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        codec = Codec(CodecConfig(
            frame_height=HEIGHT, frame_width=WIDTH, fold=2, gather=2, channels=8, coarse_width=16, coarse_blocks=1,
            fine_width=8, fine_blocks=1, context_width=16, context_blocks=1, detail_width=8,
        ))  # fmt: skip
        channels, height, width = codec.config.latent_shape
        dynamics = Dynamics(DynamicsConfig(
            latent_channels=channels, latent_height=height, latent_width=width, action_size=3,
            action_history=4, recent=2, width=16, depth=2, heads=2, memory=4, memory_layers=(1,),
            condition_width=16,
        ))  # fmt: skip
    frames, actions = play(8, 0)
    codec.fit(F.avg_pool2d(torch.from_numpy(play(100, 1)[0]).permute(0, 3, 1, 2) / 127.5 - 1, 4))
    dynamics.fit(codec.encode(torch.from_numpy(frames).permute(0, 3, 1, 2)[None] / 127.5 - 1)[0].detach())
    return World.assemble(
        codec, dynamics, [make_start("road", "Road", codec, frames, actions)], name="toy-racing", title="Toy racing",
        description="A grey road on grass.", licence="CC0-1.0", game="toy:road", controls=CONTROLS, tick_rate=RATE,
    )  # fmt: skip


@pytest.fixture(scope="session")
def racing_data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path: Path = tmp_path_factory.mktemp("racing") / "data"
    writer = DatasetWriter(path, DatasetMeta("toy:road", CONTROLS, (WIDTH, HEIGHT), RATE, "CC0-1.0", "a test"))
    for seed in range(3):
        frames, actions = play(120, seed)
        columns = {
            "speed": np.full(120, 20.0), "on_track": np.where(np.arange(120) < 90, 4.0, 0.0),
            "heading_error": np.zeros(120),
        }  # fmt: skip
        writer.write(Episode(seed, frames, actions, columns), "heldout" if seed else "train")
    return Dataset.open(path)
