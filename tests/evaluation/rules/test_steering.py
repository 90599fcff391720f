from __future__ import annotations

import numpy as np

from dreamcade.dataset.reader import Dataset
from dreamcade.engine.engine import Engine
from dreamcade.evaluation.candidate import Dream
from dreamcade.evaluation.rules.steering import SteerTry, steer_everywhere
from dreamcade.evaluation.windows import choose_windows, driving
from dreamcade.world import World


def silent(what: str, done: int, total: int) -> None:
    pass


def test_both_sides_must_answer() -> None:
    pictures = np.zeros((3, 8, 8, 3), np.uint8)
    answered = [SteerTry(*turns, pictures).answered for turns in ((9, -9), (-9, 9), (9, 0), (0, -9), (0, 0))]
    assert answered == [True, False, False, False, False]


def test_a_try_per_window(racing_world: World, racing_data: Dataset) -> None:
    windows = choose_windows(racing_data, 2, 8, 0, driving())
    dream = Dream(Engine(racing_world, "cpu"), racing_data)
    tries = steer_everywhere(dream, racing_world.controls, windows, seed=0, what="", progress=silent)
    assert len(tries) == 2
    assert tries[0].pictures.shape == (3, 64, 96, 3)
