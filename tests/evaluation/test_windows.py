from __future__ import annotations

import pytest

from dreamcade.core.errors import DatasetError
from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation.windows import CONTEXT, choose_windows, driving


def test_windows_are_held_out_driving_and_spread(racing_data: Dataset) -> None:
    windows = choose_windows(racing_data, 4, 8, 0, driving())
    assert {w.episode.seed for w in windows} == {1, 2}
    assert all(w.newest < 90 and w.start + CONTEXT + 8 <= w.episode.length for w in windows)
    for one in windows:
        for other in windows:
            assert one is other or one.episode != other.episode or abs(one.start - other.start) >= CONTEXT


def test_same_seed_same_windows(racing_data: Dataset) -> None:
    assert choose_windows(racing_data, 4, 8, 3, driving()) == choose_windows(racing_data, 4, 8, 3, driving())
    assert choose_windows(racing_data, 4, 8, 3, driving()) != choose_windows(racing_data, 4, 8, 4, driving())


def test_context_is_frames_and_actions(racing_data: Dataset) -> None:
    frames, actions = choose_windows(racing_data, 1, 8, 0, driving())[0].context(racing_data)
    assert frames.shape == (CONTEXT, 64, 96, 3)
    assert actions.shape == (CONTEXT, 3)


def test_nothing_to_choose(racing_data: Dataset) -> None:
    with pytest.raises(DatasetError, match="record more or longer ones"):
        choose_windows(racing_data, 1, 500, 0, driving())
    with pytest.raises(DatasetError, match="record more or longer ones"):
        choose_windows(racing_data, 1, 8, 0, driving(slowest=1000))
