from __future__ import annotations

import numpy as np

from dreamcade.core.action_grid import ActionGrid
from dreamcade.core.controls import Axis, Button, Controls
from dreamcade.training.played_actions import (
    MOST_ACTIONS,
    MOST_KEYED,
    as_keys,
    make_vocabulary,
    on_keys,
    usual_push,
)

CONTROLS = Controls((Axis("steer", negative_keys=("KeyA",), positive_keys=("KeyD",)),), (Button("jump", ("Space",)),))


def test_keys_are_held_and_go_all_the_way() -> None:
    swing = np.sin(np.arange(400) / 9)
    play = np.stack([0.3 * swing, np.arange(400) % 50 < 5], 1).astype(np.float32)
    keyed = as_keys(play, CONTROLS, usual_push([play], CONTROLS), np.random.default_rng(0))
    assert set(np.unique(keyed[:, 0])) == {-1, 0, 1}
    assert (np.sign(keyed[:, 0]) == np.sign(swing))[np.abs(swing) > 0.9].all()
    assert np.array_equal(keyed[:, 1], play[:, 1])  # a button is a key already
    pressed = np.flatnonzero(np.diff(keyed[:, 0]) != 0)
    assert np.diff(pressed)[keyed[pressed[:-1] + 1, 0] != 0].min() >= 2  # no press is a flicker


def test_how_far_an_axis_is_usually_pushed() -> None:
    play = np.array([[0, 1], [0.2, 0], [-0.4, 0], [0.2, 1], [1, 0], [-1, 0]], np.float32)
    assert np.allclose(usual_push([play], CONTROLS), [0.2])
    assert usual_push([np.rint(play)], CONTROLS).tolist() == [0.5]


def test_play_on_keys_is_so_for_a_while() -> None:
    play = np.zeros((100, 2), np.float32)
    play[60, 0] = 0.5
    found = on_keys(play)
    assert found[:48].all() and not found[48:73].any() and found[73:].all()


def test_the_vocabulary_has_what_keys_can_do_and_what_was_played() -> None:
    play = np.array([[0.5, 0]] * 3 + [[0.26, 1]] * 2 + [[1, 1]], np.float32)
    places = make_vocabulary([play], CONTROLS, ActionGrid((4, 1))).tolist()
    assert sorted(places[:6]) == [[s, j] for s in (-4, 0, 4) for j in (0, 1)]
    assert places[6:] == [[2, 0], [1, 1]]


def test_an_axis_without_keys_rests_in_what_keys_do() -> None:
    controls = Controls((Axis("turn", positive_keys=("KeyD",)), Axis("look")))
    places = make_vocabulary([np.zeros((1, 2), np.float32)], controls, ActionGrid((2, 2))).tolist()
    assert places == [[0, 0], [2, 0]]


def test_a_vocabulary_is_bounded() -> None:
    controls = Controls(buttons=tuple(Button(f"b{i}") for i in range(12)))
    rng = np.random.default_rng(0)
    places = make_vocabulary([rng.integers(0, 2, (5000, 12)).astype(np.float32)], controls, ActionGrid((1,) * 12))
    assert len(places) == MOST_ACTIONS == len(np.unique(places, axis=0))
    assert places[0].tolist() == [0] * 12 and (places[: 1 + 12 + 66].sum(1) <= 2).all()
    assert MOST_KEYED < 2**12
