from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from dreamcade.core.errors import UnknownNameError, WorldError
from dreamcade.server.arcade import Arcade, describe_world, load_stage
from dreamcade.server.stage import Stage
from dreamcade.world import World

Load = Callable[[str], Stage]


def test_it_says_that_it_wakes_and_then_that_it_is_awake(make_stage: Load) -> None:
    gate = threading.Event()

    def load(name: str) -> Stage:
        gate.wait(5)
        return make_stage(name)

    arcade = Arcade(lambda: ["meadow"], load)
    arcade.wake()
    assert arcade.listing()["state"] == "waking"
    gate.set()
    arcade.stage("meadow", timeout=5)
    with pytest.raises(UnknownNameError, match="did you mean 'meadow'"):
        arcade.stage("meadov", timeout=5)
    assert arcade.state == "awake"


def test_where_nothing_can_be_loaded_it_has_failed(make_stage: Load) -> None:
    settled = threading.Event()
    arcade = Arcade(lambda: ["broken"], make_stage)
    arcade.on_settled = settled.set
    arcade.wake()
    assert settled.wait(5)
    assert arcade.state == "failed"
    assert "world.json is missing" in arcade.listing()["message"]
    with pytest.raises(WorldError, match=r"world\.json is missing"):
        arcade.stage("broken")


def test_an_unforeseen_error_is_a_failure_too() -> None:
    settled = threading.Event()

    def load(name: str) -> Stage:
        raise RuntimeError("out of memory")

    arcade = Arcade(lambda: ["huge"], load)
    arcade.on_settled = settled.set
    arcade.wake()
    assert settled.wait(5)
    assert "'huge' cannot be loaded: out of memory" in arcade.failures["huge"]


def test_closing_stops_every_loop(make_stage: Load) -> None:
    arcade = Arcade(lambda: ["meadow"], make_stage)
    arcade.wake()
    stage = arcade.stage("meadow", timeout=5)
    arcade.close()
    assert stage.loop.stopped  # type: ignore[attr-defined]


def test_a_real_world_becomes_a_stage_that_plays(tiny_world: World, tmp_path: Path) -> None:
    tiny_world.save(tmp_path / "toy")
    stage = load_stage(str(tmp_path / "toy"), device="cpu", sampling_steps=1)
    try:
        assert stage.engine.sampling_steps == 1
        seen: list[np.ndarray] = []
        enough = threading.Event()

        def sink(frame) -> None:  # type: ignore[no-untyped-def]
            seen.append(simplejpeg.decode_jpeg(frame.data))
            if len(seen) == 3:
                enough.set()

        handle = stage.loop.attach(stage.engine.open_session(seed=1, start="right"), sink)
        assert enough.wait(10)
        handle.detach()
        assert seen[0].shape == (32, 48, 3)
    finally:
        stage.loop.stop()
        assert stage.close is not None
        stage.close()


def test_a_world_without_starts_cannot_be_played(tiny_world: World, tmp_path: Path) -> None:
    dataclasses.replace(tiny_world, starts=()).save(tmp_path / "empty")
    with pytest.raises(WorldError, match="has no starts"):
        load_stage(str(tmp_path / "empty"), device="cpu")


def test_the_gallery_entry_is_plain_json(tiny_world: World) -> None:
    entry = describe_world(tiny_world)
    assert entry["starts"][1] == {
        "name": "right",
        "title": "From the right",
        "thumbnail": "/api/worlds/toy/starts/right.jpg",
    }
    assert entry["card"]["metrics"]["frames"] == 6
    assert entry["clip"] is None
    assert describe_world(dataclasses.replace(tiny_world, clip=b"WEBP"))["clip"] == "/api/worlds/toy/clip.webp"
