from __future__ import annotations

import numpy as np
import pytest

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.frechet import COMPONENTS, FEWEST, Ruler, frechet_distance

RNG = np.random.default_rng(0)


def test_the_same_cloud_is_nowhere() -> None:
    cloud = RNG.normal(size=(200, 5))
    assert frechet_distance(cloud, cloud) == pytest.approx(0, abs=1e-8)


def test_gaussians_whose_distance_is_known() -> None:
    first = RNG.normal(size=(40_000, 3))
    second = RNG.normal(size=(40_000, 3)) * 2 + [3, 0, 0]
    # |m1 − m2|² + Σ (s1 − s2)²
    assert frechet_distance(first, second) == pytest.approx(9 + 3, rel=0.03)


def test_a_ruler_does_not_care_how_large_features_are() -> None:
    real, other = RNG.normal(size=(300, 64)), RNG.normal(size=(300, 64)) + 0.5
    distances = [Ruler.fit(real * scale).distance(real * scale, other * scale) for scale in (1.0, 100.0)]
    assert distances[0] == pytest.approx(distances[1], rel=1e-6)
    assert Ruler.fit(real).axes.shape == (64, COMPONENTS)


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(BadInputError, match=f"at least {FEWEST}"):
        Ruler.fit(RNG.normal(size=(FEWEST - 1, 64)))
    with pytest.raises(BadInputError, match="two clouds"):
        frechet_distance(RNG.normal(size=(5, 3)), RNG.normal(size=(5, 4)))
