"""What a world's controls accept, and what they say of anything else."""

from __future__ import annotations

import numpy as np
import pytest

from dreamcade.core.controls import Axis, Button, Controls
from dreamcade.core.errors import BadInputError, UnknownNameError


@pytest.fixture
def controls() -> Controls:
    return Controls((Axis("walk", gamepad="-axis:1"), Axis("gas", low=0.0)), (Button("jump", keys=("Space",)),))


def test_named_settings_become_a_vector_and_back(controls: Controls) -> None:
    vector = controls.encode({"walk": -0.5, "jump": True})
    np.testing.assert_array_equal(vector, np.array([-0.5, 0, 1], np.float32))
    assert controls.decode(vector) == {"walk": -0.5, "gas": 0.0, "jump": 1.0}
    assert Controls.from_json(controls.to_json()) == controls


def test_what_is_no_setting_is_refused(controls: Controls) -> None:
    with pytest.raises(UnknownNameError, match="walk"):
        controls.encode({"wlak": 1.0})
    for wrong in ({"gas": -0.1}, {"walk": 1.5}, {"walk": float("nan")}, {"jump": "much"}):
        with pytest.raises(BadInputError, match=next(iter(wrong))):
            controls.encode(wrong)  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match=r"shape \[3\]"):
        controls.validate(np.zeros(2, np.float32))


@pytest.mark.parametrize("wrong", ["axis:-1", "stick", "button:a", "axis:1 "])
def test_a_gamepad_input_that_no_page_knows_is_refused(wrong: str) -> None:
    with pytest.raises(BadInputError, match="the gamepad input of 'jump' must be axis:N, -axis:N or button:N"):
        Controls(buttons=(Button("jump", gamepad=wrong),))
