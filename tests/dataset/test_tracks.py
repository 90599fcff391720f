from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dreamcade.core.errors import BadInputError, DatasetError
from dreamcade.dataset.tracks import Track, derive_controls, misfit, read_track


def track(file: str = "play.csv", **values: list[float]) -> Track:
    columns = {name: np.array(column) for name, column in values.items()}
    return Track(file, np.arange(len(next(iter(columns.values()))), dtype=float), columns)


def buttons(*names: str) -> dict[str, tuple[str, ...]]:
    """The keys that on/off columns of these names are given."""
    return {b.name: b.keys for b in derive_controls([track(**{name: [0, 1] for name in names})]).buttons}


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "play.json").write_text('{"time": 1')
    with pytest.raises(DatasetError, match=r"play\.json: cannot be read as actions"):
        read_track(tmp_path / "play.json")


def test_one_file_with_another_column_does_not_outvote_the_others() -> None:
    tracks = [
        track("a.csv", steer=[0, -0.5], fire=[0, 1]),
        track("b.csv", steer=[0, -0.5], fire=[0, 1], note=[1, 1]),
        track("c.csv", steer=[0, -0.5], fire=[0, 1]),
    ]
    controls = derive_controls(tracks)
    assert controls.names == ("steer", "fire")
    told = [misfit(each, controls) for each in tracks]
    assert told == [None, "b.csv: has note that no control is called", None]


def test_keys_are_those_that_a_name_tells() -> None:
    assert buttons("fire", "jump", "right", "left", "up", "down") == {
        "fire": ("Space",), "jump": ("KeyE",), "right": ("ArrowRight", "KeyD"), "left": ("ArrowLeft", "KeyA"),
        "up": ("ArrowUp", "KeyW"), "down": ("ArrowDown", "KeyS"),
    }  # fmt: skip
    assert buttons("move_left", "LEFT") == {"LEFT": ("ArrowLeft", "KeyA"), "move_left": ("Space",)}
    assert buttons("a", "b") == {"a": ("Space",), "b": ("KeyE",)}
    assert buttons("a", "fire") == {"a": ("KeyE",), "fire": ("Space",)}
    sides = {b.name: b.touch for b in derive_controls([track(left=[0, 1], jump=[0, 1])]).buttons}
    assert sides == {"left": "left", "jump": "right"}


def test_no_key_is_given_twice() -> None:
    values = {"steer": [-1.0, 0.5], "look": [-0.5, 1.0], "gas": [0.0, 0.4], "brake": [0.0, 0.3]}
    pressed = {name: [0.0, 1.0] for name in ("left", "right", "jump", "fire", "x", "y", "z")}
    controls = derive_controls([track(**values, **pressed)])
    keys = [k for a in controls.axes for k in (*a.negative_keys, *a.positive_keys)]
    keys += [k for b in controls.buttons for k in b.keys]
    assert len(keys) == len({*keys})
    assert all(b.keys for b in controls.buttons)
    by_name = {a.name: a for a in controls.axes}
    assert by_name["gas"].positive_keys == ("ArrowUp", "KeyW") and not by_name["gas"].negative_keys
    assert by_name["brake"].positive_keys == ("ArrowDown", "KeyS")


def test_more_controls_than_keys_ask_for_names() -> None:
    with pytest.raises(BadInputError, match=r"name them in a file \(--controls\)"):
        buttons(*(f"x{i}" for i in range(40)))


def test_a_column_of_unknown_meaning_is_refused() -> None:
    with pytest.raises(BadInputError, match="'mouse' reach 300; scale them"):
        derive_controls([track(mouse=[0, 300])])
