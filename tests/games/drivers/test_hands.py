from __future__ import annotations

import numpy as np

from dreamcade.games.drivers.following import Intent
from dreamcade.games.drivers.hands import KeyHands, SmoothHands, action

CALM = {"speed": 20.0, "yaw_rate": 0.0, "slip_angle": 0.0}


def test_actions_are_clipped_float32() -> None:
    vector = action(-3.0, 2.0, -1.0)
    assert vector.dtype == np.float32
    np.testing.assert_array_equal(vector, [-1.0, 1.0, 0.0])


def test_keys_are_up_or_down_and_held() -> None:
    hands = KeyHands(np.random.default_rng(0))
    rng = np.random.default_rng(1)
    actions = [hands.move(CALM, Intent(0.0, float(rng.normal(0, 0.3)), float(rng.uniform(0, 50)))) for _ in range(300)]
    matrix = np.stack(actions)
    assert set(np.unique(matrix[:, 0])) == {-1.0, 0.0, 1.0}
    assert set(np.unique(matrix[:, 1:])) == {0.0, 1.0}
    changes = np.flatnonzero(np.diff(matrix[:, 0])) + 1
    runs = [(run[0], len(run)) for run in np.split(matrix[:, 0], changes)[:-1]]
    assert min(length for key, length in runs if key) >= 2


def test_both_hands_steer_left_for_a_bend_to_the_left() -> None:
    bend = Intent(0.3, 0.5, 20.0)
    for hands in (SmoothHands(np.random.default_rng(0)), KeyHands(np.random.default_rng(0))):
        assert hands.move(CALM, bend)[0] < -0.1


def test_smooth_hands_lift_in_a_slide_and_brake_when_too_fast() -> None:
    hands = SmoothHands(np.random.default_rng(0))
    assert hands.move(CALM, Intent(0.0, 0.0, 40.0))[1] > 0.3
    assert hands.move({**CALM, "slip_angle": 0.8}, Intent(0.0, 0.0, 40.0))[1] == 0.0
    assert hands.move({**CALM, "speed": 60.0}, Intent(0.0, 0.0, 30.0))[2] > 0.3
