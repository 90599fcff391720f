"""A toy world with everything that makes it quick: a predictor and a calibration."""

from __future__ import annotations

import itertools

import pytest
import torch

from dreamcade.dynamics import ActionPredictor, ExtrapolationConfig, Extrapolator, PredictorConfig
from dreamcade.world import World


@pytest.fixture(scope="session")
def swift_world(tiny_world: World) -> World:
    """The tiny world, steered in halves; its predictor guesses at random, and most of its motion counts as smooth."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        actions = list(itertools.product((-1.0, -0.5, 0.0, 0.5, 1.0), (0.0, 1.0)))
        predictor = ActionPredictor(PredictorConfig(levels=(2, 1), vocabulary=len(actions), width=8))
        predictor.places.copy_(torch.tensor(actions) * torch.tensor([2, 1]))
    sizes = tiny_world.dynamics.config
    config = ExtrapolationConfig(action_distance=0.6, curvature=3.0, most_skips=2, width=8)
    extrapolator = Extrapolator(config, sizes)
    return tiny_world.with_predictor(predictor).with_extrapolator(extrapolator)
