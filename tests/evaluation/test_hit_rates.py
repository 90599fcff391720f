from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dreamcade.dynamics.predictor import ActionPredictor, PredictorConfig
from dreamcade.evaluation.hit_rates import Guesses, guess_play, joined


def sure_of(place: int) -> ActionPredictor:
    """Expects one place of a single axis, whatever was played; then the others in order."""
    predictor = ActionPredictor(PredictorConfig((1,), 3, width=4)).eval().requires_grad_(False)
    predictor.places.copy_(torch.tensor([[place], *[[other] for other in (-1, 0, 1) if other != place]]))
    predictor.choose.weight.zero_()
    predictor.choose.bias.zero_()
    predictor.choose.bias[:3] = torch.tensor([3.0, 2.0, 1.0])
    return predictor


def test_hits_are_counted_from_the_second_tick() -> None:
    play = np.array([[1], [0], [0], [1], [-0.9]], np.float32)
    rates = guess_play(sure_of(0), [play])[0].rates()
    assert rates.ticks == 4
    assert rates.hits == (0.5, 0.75, 1.0, 1.0)  # 0, then −1, then 1
    assert rates.same == 0.25 and rates.unknown == 0
    assert np.allclose(rates.hits_on_changes, (1 / 3, 2 / 3, 1, 1))


def test_plays_of_different_lengths() -> None:
    short, long = np.zeros((3, 1), np.float32), np.ones((6, 1), np.float32)
    guesses = guess_play(sure_of(0), [short, long])
    assert [len(g.hit) for g in guesses] == [2, 5]
    assert guesses[0].hit[:, 0].all() and not guesses[1].hit[:, 0].any()
    assert joined(guesses).rates().ticks == 7


def test_what_the_vocabulary_lacks_is_a_miss() -> None:
    predictor = ActionPredictor(PredictorConfig((1,), 1, width=4)).eval()  # knows rest alone
    rates = guess_play(predictor, [np.array([[0], [1], [1], [0]], np.float32)])[0].rates()
    assert rates.unknown == pytest.approx(2 / 3) and rates.hits == (1 / 3,) * 4


def test_no_ticks_are_no_figures() -> None:
    nothing = np.zeros((2, 4), np.bool_), np.zeros(2, np.bool_), np.ones(2, np.bool_)
    rates = Guesses(*nothing).rates(np.zeros(2, np.bool_))
    assert rates.ticks == 0 and math.isnan(rates.hits[0])
    assert rates.row("none")["1 draft"] == "–"
    assert Guesses(*nothing).rates().row("still")["on changes"] == "– / – / – / –"
