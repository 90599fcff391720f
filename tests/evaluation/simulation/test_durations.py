from __future__ import annotations

import statistics
from random import Random

import pytest

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.simulation.durations import Means, Measured, Modelled, constant


def test_means_are_lines_between_what_is_known() -> None:
    means = Means({1: 2.0, 3: 4.0, 4: 10.0})
    assert [means(batch) for batch in (1, 2, 3, 4, 5)] == [2.0, 3.0, 4.0, 10.0, 16.0]
    assert Means({2: 3.0})(4) == 6.0, "with one measurement batches bring nothing"


def test_a_model_has_the_mean_and_spread_that_it_states() -> None:
    random = Random(0)
    drawn = [Modelled(Means({1: 0.01}), 0.3).draw(1, random) for _ in range(20_000)]
    assert statistics.mean(drawn) == pytest.approx(0.01, rel=0.02)
    assert statistics.stdev(drawn) == pytest.approx(0.003, rel=0.05)
    assert constant(0.5, each=0.1).draw(3, random) == pytest.approx(0.7)


def test_samples_come_as_measured_and_are_scaled_for_other_batches() -> None:
    measured, random = Measured({1: [1.0, 3.0], 3: [6.0]}), Random(0)
    assert {measured.draw(1, random) for _ in range(50)} == {1.0, 3.0}
    assert measured.mean(2) == 4.0
    assert {measured.draw(2, random) for _ in range(50)} == {2.0, 6.0}


def test_times_that_cannot_be_are_refused() -> None:
    for times in ({}, {0: 1.0}, {1: -1.0}, {1: float("nan")}):
        with pytest.raises(BadInputError, match="stage times need"):
            Means(times)
    with pytest.raises(BadInputError, match="at least one sample"):
        Measured({1: []})
    with pytest.raises(BadInputError, match="spread"):
        Modelled(Means({1: 1.0}), -0.1)
