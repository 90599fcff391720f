from __future__ import annotations

from random import Random

import pytest
import torch

from dreamcade.dynamics.predictor import ActionPredictor, Memory, PredictorConfig
from dreamcade.dynamics.predictor_rows import PredictorRows

BOUND = 1e-5
"""Of a logit, against another order of the same sums."""


@pytest.fixture(scope="module")
def predictor() -> ActionPredictor:
    """Of the size that worlds are shipped with; random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = ActionPredictor(PredictorConfig((3, 1), 10)).eval().requires_grad_(False)
    made.places.copy_(torch.tensor([(axis, button) for axis in (-3, -1, 0, 1, 3) for button in (0, 1)]))
    return made


def plays(predictor: ActionPredictor, sessions: int, ticks: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sessions)
    return predictor.vocabulary[torch.randint(10, (ticks, sessions), generator=generator)]


def test_any_rows_in_any_order_hear_what_each_would_alone(predictor: ActionPredictor) -> None:
    """Some are told, some begin anew, some are asked, at random, and the tensor grows meanwhile."""
    rows, random, sessions = PredictorRows(predictor), Random(0), 30
    alone: dict[int, tuple[torch.Tensor, Memory]] = {}
    for tick, actions in enumerate(plays(predictor, sessions, 60)):
        there = random.sample(range(sessions), random.randint(1, min(sessions, 2 + tick)))
        new = [row for row in there if row not in alone or random.random() < 0.05]
        if new:
            rows.begin(new)
        rows.tell(there, actions[there])
        for row in there:
            alone[row] = predictor.step(actions[row : row + 1], None if row in new else alone[row][1])
        asked = there if random.random() < 0.5 else random.sample(sorted(alone), random.randint(1, len(alone)))
        right = torch.cat([alone[row][0] for row in asked])
        torch.testing.assert_close(rows.logits(asked), right, atol=BOUND, rtol=0)


@pytest.mark.parametrize("others", [0, 1, 2, 3, 12, 199])
def test_a_row_does_not_depend_on_who_else_is_told(predictor: ActionPredictor, others: int) -> None:
    actions, both = plays(predictor, 200, 40), (PredictorRows(predictor), PredictorRows(predictor))
    together = [7, *(row for row in range(200) if row != 7)][: others + 1]
    for rows, told in zip(both, ([7], together), strict=True):
        rows.begin(told)
        for tick in actions:
            rows.tell(told, tick[told])
    alone, among = (rows.logits(told)[0] for rows, told in zip(both, ([7], together), strict=True))
    bound = 0.0 if torch.backends.mkl.is_available() else BOUND
    torch.testing.assert_close(among, alone, atol=bound, rtol=0)


def test_it_doubles_and_keeps_what_it_remembers(predictor: ActionPredictor) -> None:
    rows, actions = PredictorRows(predictor), plays(predictor, 4, 5)
    rows.begin(range(4))
    for tick in actions:
        rows.tell(range(4), tick)
    before, small = rows.logits(range(4)), rows.capacity
    rows.begin([small])
    assert rows.capacity == 2 * small
    assert torch.equal(rows.logits(range(4)), before)
    rows.begin([100])
    assert rows.capacity == 101
    assert torch.equal(rows.logits(range(4)), before)


def test_what_went_wrong_has_told_nobody_anything(predictor: ActionPredictor) -> None:
    rows, actions = PredictorRows(predictor), plays(predictor, 2, 3)
    rows.begin([0, 1])
    rows.tell([0, 1], actions[0])
    before = rows.logits([0, 1])
    for told, wrong in (([0, 99], actions[1]), ([0, 1], actions[1, :, :1].expand(2, 5))):
        with pytest.raises((IndexError, RuntimeError)):
            rows.tell(told, wrong)
        assert torch.equal(rows.logits([0, 1]), before)
