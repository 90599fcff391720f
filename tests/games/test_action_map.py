from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dreamcade.core.errors import BadInputError
from dreamcade.games.action_map import continuous, numbered, read_control_file
from dreamcade.games.registry import make_game

BREAKOUT = ["NOOP", "FIRE", "RIGHT", "LEFT"]
PACMAN = ["NOOP", "UP", "RIGHT", "LEFT", "DOWN", "UPRIGHT", "UPLEFT", "DOWNRIGHT", "DOWNLEFT"]


def press(names: tuple[str, ...], *down: str) -> np.ndarray:
    return np.array([name in down for name in names], np.float32)


def test_ataris_names_become_buttons_that_combine() -> None:
    to_action = numbered(9, PACMAN, {})
    names = to_action.controls.names
    assert names == ("up", "down", "left", "right")
    assert to_action(press(names)) == 0
    assert to_action(press(names, "up", "right")) == PACMAN.index("UPRIGHT")
    assert to_action(press(names, "left")) == PACMAN.index("LEFT")
    # No action stands for all three: those listed first count first.
    assert to_action(press(names, "up", "left", "right")) == PACMAN.index("UPLEFT")


def test_only_the_words_that_a_game_uses_become_buttons() -> None:
    assert numbered(4, BREAKOUT, {}).controls.names == ("left", "right", "fire")


def test_actions_without_names_get_a_button_and_a_key_each() -> None:
    to_action = numbered(4, None, {})
    assert to_action.controls.names == ("action_1", "action_2", "action_3")
    assert all(button.keys for button in to_action.controls.buttons)
    assert [to_action(row) for row in np.eye(3, dtype=np.float32)] == [1, 2, 3]
    with pytest.raises(BadInputError, match="too many for a key each"):
        numbered(60, None, {})


def test_a_continuous_action_spans_from_its_lowest_to_its_highest() -> None:
    low, high = np.array([-2.0, 0.0, 3.0], np.float32), np.array([1.0, 4.0, 5.0], np.float32)
    to_action = continuous(low, high, {})
    np.testing.assert_allclose(to_action(np.zeros(3, np.float32)), [0, 0, 4])
    np.testing.assert_allclose(to_action(np.ones(3, np.float32)), high)
    np.testing.assert_allclose(to_action(np.array([-1, 0, -1], np.float32)), [-2, 0, 3])
    assert [axis.low for axis in to_action.controls.axes] == [-1.0, 0.0, -1.0]
    with pytest.raises(BadInputError, match="no ends"):
        continuous(low, np.full(3, np.inf, np.float32), {})


def test_a_file_names_the_controls_of_a_real_game(tmp_path: Path) -> None:
    file = tmp_path / "lander.json"
    buttons = [{"name": "main", "keys": ["ArrowUp"]}, {"name": "left", "keys": ["ArrowLeft"], "label": "Left engine"}]
    file.write_text(json.dumps({"tick_rate": 25, "buttons": buttons, "actions": {"2": ["main"], "1": ["left"]}}))
    game = make_game("gym:LunarLander-v3", (96, 64), file)
    assert game.controls.names == ("main", "left")
    assert game.controls.buttons[1].label == "Left engine"
    assert game.tick_rate == 25
    game.close()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "must be a JSON file"),
        ('{"keys": []}', "got also keys"),
        ('{"buttons": [{"name": "a"}], "actions": {"7": ["a"]}}', "actions 0 to 3"),
        (
            '{"buttons": [{"name": "a"}], "actions": {"1": ["b"]}}',
            "does not name: b|it does not name: b|buttons it does",
        ),
        ('{"buttons": [{"nom": "a"}]}', "known fields"),
        ('{"tick_rate": 0}', "tick rate"),
    ],
)
def test_bad_files_of_controls_are_one_clear_error(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "controls.json"
    file.write_text(content)
    with pytest.raises(BadInputError, match=says):
        make_game("gym:LunarLander-v3", (96, 64), file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"nowhere\.json"):
        read_control_file(tmp_path / "nowhere.json")
