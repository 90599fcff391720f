from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.engine import Engine
from dreamcade.world import World

Play = Callable[..., tuple[np.ndarray, np.ndarray]]


@pytest.fixture
def engine(tiny_world: World) -> Engine:
    return Engine(tiny_world, device="cpu", dtype=torch.float32)


def test_starts_by_name_and_number(engine: Engine) -> None:
    first, left, right = (engine.open_session(start=s).frame.pixels for s in (None, "left", 1))
    np.testing.assert_array_equal(first, left)
    assert (right != left).any()
    with pytest.raises(UnknownNameError, match="unknown start 'lift'; did you mean 'left'"):
        engine.open_session(start="lift")


def test_frames_show_the_last_one_as_the_codec_draws_it(engine: Engine, toy_play: Play) -> None:
    frames, actions = toy_play(7)
    session = engine.open_session(frames=frames, actions=actions)
    codec = engine.world.codec
    with torch.inference_mode():
        scaled = torch.from_numpy(frames[-1:]).permute(0, 3, 1, 2)[None] / 127.5 - 1
        drawn = codec.decode_pixels(codec.encode(scaled)[0])[0].numpy()
    assert np.abs(session.frame.pixels.astype(int) - drawn).max() <= 1
    assert session.tick == 0


def test_the_last_action_of_a_context_is_not_applied(engine: Engine, toy_play: Play) -> None:
    frames, actions = toy_play(5)
    changed_last, changed_before = actions.copy(), actions.copy()
    changed_last[-1] = [-1, 1]
    changed_before[-2] = -changed_before[-2] * [1, 0] + [0, 1 - actions[-2, 1]]
    next_frame = [
        engine.open_session(frames=frames, actions=a).step([0.5, 0]).pixels
        for a in (actions, changed_last, changed_before)
    ]
    np.testing.assert_array_equal(next_frame[0], next_frame[1])
    assert (next_frame[0] != next_frame[2]).any()


def test_frames_without_actions_are_idle(engine: Engine, toy_play: Play) -> None:
    frames, actions = toy_play(4)
    ours = engine.open_session(frames=frames)
    theirs = engine.open_session(frames=frames, actions=np.zeros_like(actions))
    np.testing.assert_array_equal(ours.step([1, 0]).pixels, theirs.step([1, 0]).pixels)


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((2, 48, 32, 3), np.uint8),
        np.zeros((2, 32, 48, 4), np.uint8),
        np.zeros((2, 32, 48, 3)),
        np.zeros((0, 32, 48, 3), np.uint8),
        "frames",
    ],
)
def test_bad_frames(engine: Engine, frames: Any) -> None:
    with pytest.raises(BadInputError, match=r"frames must be uint8 \[T, 32, 48, 3\]"):
        engine.open_session(frames=frames, actions=np.zeros((2, 2), np.float32))


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.zeros((3, 2)), "2 frames need 2 actions"),
        (np.zeros((2, 3)), r"shape \[2\]"),
        ([[0, 0], [float("nan"), 0]], "finite"),
    ],
)
def test_bad_context_actions(engine: Engine, actions: Any, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        engine.open_session(frames=np.zeros((2, 32, 48, 3), np.uint8), actions=actions)


def test_an_image_of_any_size(engine: Engine, tmp_path: Path) -> None:
    picture = Image.linear_gradient("L").resize((300, 100)).convert("RGBA")
    picture.save(tmp_path / "a.png")
    shown = [engine.open_session(image=i).frame.pixels for i in (picture, tmp_path / "a.png", str(tmp_path / "a.png"))]
    for pixels in shown:
        np.testing.assert_array_equal(pixels, shown[0])
    assert engine.open_session(image=np.zeros((10, 10, 3), np.uint8)).step([0, 1]).tick == 1


def test_bad_images(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    for image, message in (
        (tmp_path / "a.png", "cannot be read as an image"),
        (tmp_path / "b.png", "there is no image"),
        (tmp_path, "cannot be read as an image"),
        (np.zeros((4, 4), np.uint8), "an image must be"),
    ):
        with pytest.raises(BadInputError, match=message):
            engine.open_session(image=image)


def test_one_beginning_at_a_time(engine: Engine, toy_play: Play) -> None:
    frames, actions = toy_play(2)
    with pytest.raises(BadInputError, match="opens from one thing; got start and frames"):
        engine.open_session(start=0, frames=frames, actions=actions)
    with pytest.raises(BadInputError, match="actions go with frames"):
        engine.open_session(actions=actions)


def test_a_world_without_starts(tiny_world: World) -> None:
    bare = World(tiny_world.manifest, tiny_world.codec, tiny_world.dynamics, ())
    with pytest.raises(BadInputError, match="has no starts; open the session with frames= or image="):
        Engine(bare, device="cpu").open_session()
