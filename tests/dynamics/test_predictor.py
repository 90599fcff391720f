from __future__ import annotations

import numpy as np
import pytest
import torch

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics.predictor import ActionPredictor, PredictorConfig


@pytest.fixture
def predictor() -> ActionPredictor:
    """Thirds of an axis and a button; random weights."""
    torch.manual_seed(0)
    made = ActionPredictor(PredictorConfig((3, 1), 10, width=16)).eval().requires_grad_(False)
    made.places.copy_(torch.tensor([(axis, button) for axis in (-3, -1, 0, 1, 3) for button in (0, 1)]))
    return made


def plays(predictor: ActionPredictor, sessions: int, ticks: int) -> torch.Tensor:
    return predictor.vocabulary[torch.randint(10, (sessions, ticks))]


def test_the_vocabulary_is_on_the_grid(predictor: ActionPredictor) -> None:
    for action, place in zip(predictor.vocabulary.numpy(), predictor.places.tolist(), strict=True):
        assert np.array_equal(predictor.grid.snap(action), action)
        assert list(predictor.grid.key(action)) == place


def test_tick_by_tick_is_all_at_once(predictor: ActionPredictor) -> None:
    actions = plays(predictor, 3, 30)
    whole, end = predictor(actions)
    memory, ticks = None, []
    for tick in range(30):
        logits, memory = predictor.step(actions[:, tick], memory)
        ticks.append(logits)
    torch.testing.assert_close(torch.stack(ticks, 1), whole)
    assert memory is not None
    for ours, theirs in zip(memory, end, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_tick_leaves_the_memory_that_came_as_it_was(predictor: ActionPredictor) -> None:
    actions = plays(predictor, 2, 5)
    _, memory = predictor(actions)
    before = [part.clone() for part in memory]
    first, _ = predictor.step(actions[:, 0], memory)
    again, _ = predictor.step(actions[:, 0], memory)
    assert torch.equal(first, again)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(memory, before, strict=True))


def test_sessions_do_not_mix(predictor: ActionPredictor) -> None:
    actions = plays(predictor, 4, 12)
    together, _ = predictor(actions)
    alone, _ = predictor(actions[2:3])
    torch.testing.assert_close(together[2:3], alone)


def test_moves_are_scored_from_where_the_controls_are(predictor: ActionPredictor) -> None:
    """With nothing but "one place up on the axis" learnt, that is what comes first, wherever the axis is."""
    predictor.choose.weight.zero_()
    predictor.choose.bias.zero_()
    up, same = 10 + 1 + 4, 10 + 1 + 7 + 3  # of the axis, moves of −3…3; of the button, no move
    predictor.choose.bias[[up, same]] = torch.tensor([4.0, 1.0])
    for now, expected in (((-1, 1), (0, 1)), ((0, 0), (1, 0))):
        logits, _ = predictor.step(torch.tensor([now]) / predictor.levels)
        actions, _ = predictor.likeliest(logits, 1)
        assert predictor.grid.key(actions[0, 0].numpy()) == expected


def test_the_likeliest_come_first(predictor: ActionPredictor) -> None:
    logits, _ = predictor(plays(predictor, 3, 4))
    actions, probabilities = predictor.likeliest(logits, 4)
    assert actions.shape == (3, 4, 4, 2) and probabilities.shape == (3, 4, 4)
    assert bool((probabilities.diff(dim=-1) <= 0).all()) and bool((probabilities.sum(-1) <= 1).all())
    single, _ = predictor.likeliest(logits[0, 0], 4)
    assert torch.equal(single, actions[0, 0])
    everything, certain = predictor.likeliest(logits[0, 0], 99)
    assert len(everything) == 10
    torch.testing.assert_close(certain.sum(), torch.tensor(1.0))
    with pytest.raises(BadInputError, match="at least 1 action"):
        predictor.likeliest(logits, 0)


def test_a_config_that_cannot_be() -> None:
    with pytest.raises(BadInputError, match="levels"):
        PredictorConfig((0,), 4)
    with pytest.raises(BadInputError, match="vocabulary, width and layers must be at least 1"):
        PredictorConfig((1,), 0)
