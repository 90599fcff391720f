from __future__ import annotations

import numpy as np
import pytest

from dreamcade.core.controls import Axis, Controls
from dreamcade.core.errors import BadInputError
from dreamcade.dataset.reader import Dataset
from dreamcade.engine.engine import Engine
from dreamcade.evaluation.steering import SteerTry, _actions, steer_dream, steer_real
from dreamcade.evaluation.windows import choose_windows, driving
from dreamcade.games.registry import make_game
from dreamcade.world import World


def silent(what: str, done: int, total: int) -> None:
    pass


def test_both_sides_must_answer() -> None:
    pictures = np.zeros((3, 8, 8, 3), np.uint8)
    answered = [SteerTry(*turns, pictures).answered for turns in ((9, -9), (-9, 9), (9, 0), (0, -9), (0, 0))]
    assert answered == [True, False, False, False, False]


def test_dream_makes_a_try_per_window(racing_world: World, racing_data: Dataset) -> None:
    windows = choose_windows(racing_data, 2, 8, 0, driving())
    tries = steer_dream(Engine(racing_world, "cpu"), racing_data, windows, seed=0, progress=silent)
    assert len(tries) == 2
    assert tries[0].pictures.shape == (3, 64, 96, 3)


def test_the_real_game_answers() -> None:
    pytest.importorskip("Box2D")
    game = make_game("gym:CarRacing-v3", (240, 160))
    tries = steer_real(game, [3], silent)
    game.close()
    assert tries[0].answered


def test_a_world_without_a_wheel() -> None:
    with pytest.raises(BadInputError, match="no control named steer"):
        _actions(Controls(axes=(Axis("jump"),)))
