from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dreamcade.core.errors import BadInputError, WorldError
from dreamcade.world import World, make_start
from dreamcade.world.starts import read_starts, write_starts

Play = Callable[..., tuple[np.ndarray, np.ndarray]]


def test_a_start_from_play(tiny_world: World, toy_play: Play) -> None:
    frames, actions = toy_play(5, seed=3)
    start = make_start("new", "New", tiny_world.codec, frames, actions)
    assert start.latents.dtype == torch.float16
    assert start.latents.shape == (5, 8, 2, 3)
    np.testing.assert_array_equal(start.actions[1:].numpy(), actions[:-1])
    assert not start.actions[0].any()
    with Image.open(io.BytesIO(start.thumbnail)) as image:
        assert image.format == "JPEG"
        assert image.size == (48, 32)


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((2, 16, 48, 3), np.uint8),
        np.zeros((2, 32, 48, 3), np.float32),
        np.zeros((32, 48, 3), np.uint8),
        np.zeros((0, 32, 48, 3), np.uint8),
    ],
)
def test_wrong_frames(tiny_world: World, frames: np.ndarray) -> None:
    with pytest.raises(BadInputError, match=r"frames must be uint8 \[T, 32, 48, 3\]"):
        make_start("x", "X", tiny_world.codec, frames, np.zeros((2, 2), np.float32))


def test_wrong_number_of_actions(tiny_world: World, toy_play: Play) -> None:
    with pytest.raises(BadInputError, match="one action per frame"):
        make_start("x", "X", tiny_world.codec, toy_play(3)[0], np.zeros((2, 2), np.float32))


def test_starts_of_another_world_are_refused(tiny_world: World, tmp_path: Path) -> None:
    path = tmp_path / "starts.safetensors"
    write_starts(path, tiny_world.starts)
    assert len(read_starts(path, (8, 2, 3), 2)) == 2
    with pytest.raises(WorldError, match="start 'left' does not fit this world: latents"):
        read_starts(path, (12, 8, 6), 2)
    with pytest.raises(WorldError, match="start 'left' does not fit this world: actions"):
        read_starts(path, (8, 2, 3), 3)
