from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dreamcade.core.errors import WorldError
from dreamcade.world import World, WorldManifest
from dreamcade.world.manifest import read_manifest


def write(folder: Path, data: Any) -> Path:
    (folder / "world.json").write_text(data if isinstance(data, str) else json.dumps(data))
    return folder


def test_json_round_trip(tiny_world: World) -> None:
    text = json.dumps(tiny_world.manifest.to_json())
    assert WorldManifest.from_json(json.loads(text)) == tiny_world.manifest


def test_a_newer_format_says_how_to_upgrade(tiny_world: World, tmp_path: Path) -> None:
    # A newer format may have any keys: its version must be what is complained of.
    write(tmp_path, {"format_version": 2, "surprise": True})
    with pytest.raises(WorldError, match=r"version 2 is newer than this build reads .*pip install --upgrade"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "unknown colour"),
        ({"tick_rate": 0}, "tick_rate must be a positive"),
        ({"tick_rate": "fast"}, "expected kinds"),
        ({"sampling_steps": 0}, "sampling_steps"),
        ({"frame_size": [720]}, "frame_size"),
        ({"name": "../evil"}, "name is made of"),
        ({"controls": {"axes": []}}, "controls need"),
        ({"format_version": 0}, "does not exist"),
    ],
)
def test_bad_values_are_named(tiny_world: World, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    write(tmp_path, {**tiny_world.manifest.to_json(), **change})
    with pytest.raises(WorldError, match=message) as caught:
        read_manifest(tmp_path)
    assert "world.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", ["", "{", "[]", "null", '{"name": "x"}', "\x00\xff"])
def test_damaged_json(tmp_path: Path, data: str) -> None:
    with pytest.raises(WorldError, match=r"world\.json"):
        read_manifest(write(tmp_path, data))


def test_a_missing_key_is_named(tiny_world: World, tmp_path: Path) -> None:
    data = tiny_world.manifest.to_json()
    del data["tick_rate"]
    with pytest.raises(WorldError, match="missing tick_rate"):
        read_manifest(write(tmp_path, data))


def test_a_folder_without_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match=r"is not a world: it has no world\.json"):
        read_manifest(tmp_path)
