"""Whatever other players do, each one's next actions are those that the predictor names for that one alone."""

from __future__ import annotations

import itertools
from random import Random

import numpy as np
import pytest
import torch

from dreamcade.core.types import ActionVector
from dreamcade.dynamics import ActionPredictor, PredictorConfig
from dreamcade.dynamics.predictor import Memory
from dreamcade.engine.foresight import KEYS_FOR, Foresight

LEAST, TICKS, HISTORY = 0.02, 120, 4


class Alone:
    """One player's, by the plain predictor."""

    def __init__(self, predictor: ActionPredictor, history: np.ndarray) -> None:
        self.predictor = predictor
        self.analog, self.memory, self.logits = 0, None, torch.empty(0)
        self.memory: Memory | None
        for action in history:
            self.hear(action)

    def hear(self, action: ActionVector) -> None:
        logits, self.memory = self.predictor.step(torch.from_numpy(action)[None], self.memory)
        self.logits, self.last = logits[0], action

    def tell(self, action: ActionVector) -> None:
        on_keys = all(value in (-1.0, 0.0, 1.0) for value in action.tolist())
        self.analog = max(0, self.analog - 1) if on_keys else KEYS_FOR
        self.hear(action)

    def likeliest(self, count: int) -> list[list[float]]:
        vocabulary = self.predictor.vocabulary
        off_keys = (vocabulary * (vocabulary.abs() - 1) != 0).any(1)
        chances = (
            self.logits.masked_fill(off_keys, -torch.inf).softmax(0) if not self.analog else self.logits.softmax(0)
        )
        best = [vocabulary[i].tolist() for i in chances.topk(count).indices if chances[i] >= LEAST]
        unheard = self.last.tolist() not in vocabulary.tolist()
        return [self.last.tolist(), *best][:count] if unheard else best


@pytest.fixture(scope="module")
def predictor() -> ActionPredictor:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = ActionPredictor(PredictorConfig((4, 1), 15, width=16)).eval().requires_grad_(False)
    for parameter in made.parameters():
        parameter.mul_(3.0)  # so that it has opinions
    places = itertools.product((-4, -2, 0, 1, 4), (-1, 0, 1))
    made.places.copy_(torch.tensor(list(places)))
    return made


def hand(predictor: ActionPredictor, random: Random, before: ActionVector, smooth: bool) -> ActionVector:
    """What a player does next: mostly the same; on keys, or anywhere on the grid, which has what nobody recorded."""
    if random.random() < 0.7:
        return before
    ends = [(-1.0, 0.0, 1.0), (-1.0, 0.0, 1.0)]
    chosen = [random.uniform(-1, 1) if smooth else random.choice(end) for end in ends]
    return predictor.grid.snap(np.array(chosen, np.float32))


@pytest.mark.parametrize("players", [1, 3, 40])
def test_each_players_next_actions_are_those_named_for_it_alone(predictor: ActionPredictor, players: int) -> None:
    foresight, random = Foresight(predictor), Random(players)
    rest = np.zeros(2, np.float32)
    twins: dict[int, Alone] = {}
    for tick in range(TICKS):
        rows = sorted(random.sample(range(players), random.randint(1, players)))
        new = [row for row in rows if row not in twins or random.random() < 0.02]
        if new:  # another session has got the row
            histories = np.stack([[hand(predictor, random, rest, True) for _ in range(HISTORY)] for _ in new])
            foresight.begin(new, histories)
            twins |= {row: Alone(predictor, history) for row, history in zip(new, histories, strict=True)}
        actions = np.stack([hand(predictor, random, twins[row].last, row % 2 == 1 and tick < 40) for row in rows])
        foresight.tell(rows, actions)
        for row, action in zip(rows, actions, strict=True):
            twins[row].tell(action)
        asked, count = random.sample(sorted(twins), random.randint(1, len(twins))), random.randint(1, 4)
        for row, named in zip(asked, foresight.likeliest(asked, count, LEAST), strict=True):
            assert [action.tolist() for action in named] == twins[row].likeliest(count)
    assert any(not twin.analog for twin in twins.values())


def test_of_a_player_it_was_told_nothing_of_it_says_nothing(predictor: ActionPredictor) -> None:
    foresight = Foresight(predictor)
    assert foresight.likeliest([0, 5], 2, LEAST) == [[], []]
    foresight.begin([1, 2], np.zeros((2, 0, 2), np.float32))
    foresight.tell([2], np.zeros((1, 2), np.float32))
    nothing, something = foresight.likeliest([1, 2], 2, LEAST)
    assert nothing == [] and something
    foresight.begin([2], np.zeros((1, 0, 2), np.float32))
    assert foresight.likeliest([2], 2, LEAST) == [[]]


def test_a_grid_has_one_zero(predictor: ActionPredictor) -> None:
    """Minus nothing is nothing: a player at rest does not count as one who does what nobody did."""
    foresight = Foresight(predictor)
    foresight.begin([0, 1], np.zeros((2, 0, 2), np.float32))
    foresight.tell([0, 1], np.array([[0.0, 0.0], [-0.0, -0.0]], np.float32))
    one, other = foresight.likeliest([0, 1], 3, 0.0)
    assert np.array_equal(one, other)
