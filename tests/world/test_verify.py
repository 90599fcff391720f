from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from dreamcade.core.errors import WorldError
from dreamcade.world import World, verify_world


def test_a_whole_world(tiny_world: World, tmp_path: Path) -> None:
    tiny_world.save(tmp_path / "toy")
    checks = verify_world(tmp_path / "toy")
    assert checks[0] == "4 files match their hashes"
    assert checks[-1] == "start 'right': 4 frames of context, and the next one was made"


def test_a_world_without_starts(tiny_world: World, tmp_path: Path) -> None:
    World(tiny_world.manifest, tiny_world.codec, tiny_world.dynamics, ()).save(tmp_path / "toy")
    with pytest.raises(WorldError, match="no starts"):
        verify_world(tmp_path / "toy")


def test_a_thumbnail_that_is_no_picture(tiny_world: World, tmp_path: Path) -> None:
    starts = (dataclasses.replace(tiny_world.starts[0], thumbnail=b"<html>"),)
    World(tiny_world.manifest, tiny_world.codec, tiny_world.dynamics, starts).save(tmp_path / "toy")
    with pytest.raises(WorldError, match="thumbnail of start 'left' is damaged"):
        verify_world(tmp_path / "toy")


def test_two_starts_of_one_name(tiny_world: World, tmp_path: Path) -> None:
    starts = (tiny_world.starts[0], tiny_world.starts[0])
    World(tiny_world.manifest, tiny_world.codec, tiny_world.dynamics, starts).save(tmp_path / "toy")
    with pytest.raises(WorldError, match="two starts of one name"):
        verify_world(tmp_path / "toy")
