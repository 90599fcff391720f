from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamcade.core.action_grid import ActionGrid
from dreamcade.core.errors import BadInputError

LEVELS = st.lists(st.integers(1, 128), min_size=1, max_size=5)


@st.composite
def grids_and_actions(draw: st.DrawFn) -> tuple[ActionGrid, np.ndarray]:
    levels = draw(LEVELS)
    values = [draw(st.floats(-1, 1, width=32)) for _ in levels]
    return ActionGrid(tuple(levels)), np.array(values, np.float32)


@given(grids_and_actions())
def test_snapping_goes_to_the_nearest_and_stays(drawn: tuple[ActionGrid, np.ndarray]) -> None:
    grid, action = drawn
    snapped = grid.snap(action)
    assert snapped.dtype == np.float32
    assert (np.abs(snapped - action) <= 0.5 / np.array(grid.levels) + 1e-6).all()
    assert np.array_equal(grid.snap(snapped), snapped)


@given(grids_and_actions())
def test_equal_keys_are_equal_actions(drawn: tuple[ActionGrid, np.ndarray]) -> None:
    grid, action = drawn
    snapped = grid.snap(action)
    assert np.array_equal(grid.action(grid.key(snapped)), snapped)  # bit for bit: thirds too
    assert grid.key(grid.action(grid.key(action))) == grid.key(action)


@given(LEVELS, st.sampled_from([-1.0, 0.0, 1.0]))
def test_what_keys_do_is_on_every_grid(levels: list[int], value: float) -> None:
    action = np.full(len(levels), value, np.float32)
    assert np.array_equal(ActionGrid(tuple(levels)).snap(action), action)


def test_a_row_of_actions_at_once() -> None:
    play = np.array([[[0.3, 0.3], [-0.9, 0.6]]], np.float32)
    assert ActionGrid((2, 1)).snap(play).tolist() == [[[0.5, 0.0], [-1.0, 1.0]]]


@pytest.mark.parametrize("levels", [(), (0,), (2, -1), (1.5,), (True,), (Fraction(1),)])
def test_levels_are_whole_and_positive(levels: tuple[int, ...]) -> None:
    with pytest.raises(BadInputError, match="a whole number of levels for every control"):
        ActionGrid(levels)
