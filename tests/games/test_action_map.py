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


@pytest.mark.parametrize(("count", "names"), [(4, BREAKOUT), (9, PACMAN), (10, None), (2, None)])
def test_its_choices_are_every_action_but_the_rest(count: int, names: list[str] | None) -> None:
    to_action = numbered(count, names, {})
    assert to_action.choices is not None
    assert {to_action(action) for action in to_action.choices.actions} >= {*range(1, count)}
    assert to_action.choices.actions.any(axis=1).all(), "none of them is at rest"
    assert to_action.choices.shares.sum() == pytest.approx(1)
    assert numbered(1, None, {}).choices is None


def test_of_two_actions_without_names_both_have_a_key() -> None:
    to_action = numbered(2, None, {})
    assert [(b.name, b.keys[0]) for b in to_action.controls.buttons] == [
        ("action_0", "ArrowLeft"),
        ("action_1", "ArrowRight"),
    ]
    assert [to_action(row) for row in np.eye(2, dtype=np.float32)] == [0, 1]
    assert numbered(2, None, {"actions": {"0": []}}).controls.names == ("action_1",)


def test_a_file_says_which_action_is_the_rest() -> None:
    alone = numbered(3, None, {"actions": {"1": []}})
    assert [(b.name, b.keys[0]) for b in alone.controls.buttons] == [
        ("action_0", "ArrowLeft"),
        ("action_2", "ArrowRight"),
    ]
    named = numbered(3, None, {"buttons": [{"name": "a"}, {"name": "b"}], "actions": {"1": []}})
    for to_action in (alone, named):
        assert [to_action(keys) for keys in np.array([[0, 0], [1, 0], [0, 1]], np.float32)] == [1, 0, 2]
    assert numbered(4, BREAKOUT, {"actions": {"3": []}})(np.zeros(3, np.float32)) == 3


def test_buttons_without_actions_stand_for_them_in_turn() -> None:
    to_action = numbered(4, None, {"buttons": [{"name": "a"}, {"name": "b"}, {"name": "c"}]})
    assert [to_action(row) for row in np.eye(3, dtype=np.float32)] == [1, 2, 3]
    assert to_action(np.zeros(3, np.float32)) == 0


def test_a_file_for_the_other_kind_of_game_is_refused() -> None:
    with pytest.raises(BadInputError, match="names axes; this game has numbered actions"):
        numbered(4, None, {"axes": [{"name": "steer"}]})
    ends = np.array([-1.0], np.float32), np.array([1.0], np.float32)
    with pytest.raises(BadInputError, match="names buttons; this game's actions are continuous"):
        continuous(*ends, {"buttons": [{"name": "a"}]})
    with pytest.raises(BadInputError, match=r"an axis .* must be an object .* got 'steer'"):
        continuous(*ends, {"axes": ["steer"]})
    with pytest.raises(BadInputError, match="from one number to a larger one; got 'a' to 1"):
        continuous(*ends, {"axes": [{"low": "a"}]})


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
        ("[]", "must be a JSON object"),
        ('{"buttons": {"a": "KeyA"}}', "buttons in .* must be a list of objects"),
        ('{"actions": ["left"]}', "actions in .* must be an object such as"),
        ('{"axes": "steer"}', "axes in .* must be a list"),
        ('{"buttons": [{"name": "a"}], "actions": {"1": 1}}', "must give action 1 a list of buttons"),
        ('{"buttons": [{"name": "a"}], "actions": {"1": "a"}}', "must give action 1 a list of buttons"),
        ('{"buttons": [{"name": "a"}], "actions": {"²": ["a"]}}', "maps action ²"),
        ('{"actions": {"1": ["a"]}}', "actions but no buttons"),
        ('{"buttons": [{"name": "a"}], "actions": {"0": [], "1": []}}', "two actions to no button"),
        ('{"buttons": [{"name": "a"}], "actions": {"1": ["a"], "2": ["a"]}}', "two actions to a"),
        ('{"buttons": [{"name": "a"}, {"name": "b"}], "actions": {"1": ["a"]}}', "gives no action to b"),
        (json.dumps({"buttons": [{"name": n} for n in "abcd"]}), "names 4 buttons; this game has 3 actions besides"),
        ('{"buttons": [{"name": "a"}, {"name": "a"}]}', "a name of its own"),
        ('{"buttons": [{"name": "a", "keys": "KeyA"}]}', "keys must be a list"),
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
