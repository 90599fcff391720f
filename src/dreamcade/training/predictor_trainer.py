"""Learns which action a player takes next from recorded play, on one CPU core in minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from dreamcade.core.action_grid import ActionGrid
from dreamcade.core.config import JsonConfig
from dreamcade.core.controls import Controls
from dreamcade.dataset.reader import Dataset
from dreamcade.dynamics import ActionPredictor, PredictorConfig
from dreamcade.evaluation.hit_rates import HitRates, guess_play, joined
from dreamcade.evaluation.metrics import Progress
from dreamcade.training.played_actions import Play, as_keys, make_vocabulary, on_keys, usual_push
from dreamcade.training.schedule import AveragedWeights, learning_rate

WARM_UP = 50
UNKNOWN = -1
"""Stands for an action that the vocabulary lacks."""


@dataclass(frozen=True, slots=True)
class PredictorSettings(JsonConfig):
    """`length` is in ticks; of the stretches of play, a share `keyed` is as keys would have done it; `changes` is how
    much more it counts to find the right change, where there is one."""

    steps: int = 500
    batch: int = 32
    length: int = 96
    rate: float = 4e-3
    dropout: float = 0.2
    weight_decay: float = 0.01
    keyed: float = 0.3
    changes: float = 1.0
    seed: int = 0


def train_predictor(
    dataset: Dataset, levels: Sequence[int], settings: PredictorSettings, device: torch.device, progress: Progress
) -> ActionPredictor:
    """A predictor of the play in the training episodes, on a grid of `levels`."""
    plays = [dataset.actions(episode) for episode in dataset.episodes("train")]
    drawn = _Stretches(plays, dataset.meta.controls, ActionGrid(tuple(levels)), settings)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        predictor = ActionPredictor(PredictorConfig(tuple(levels), len(drawn.places))).to(device)
        predictor.places.copy_(torch.from_numpy(drawn.places))
        _learn(predictor, drawn, settings, progress)
    return predictor.cpu().eval().requires_grad_(False)


def _learn(predictor: ActionPredictor, drawn: _Stretches, settings: PredictorSettings, progress: Progress) -> None:
    optimizer = torch.optim.AdamW(predictor.parameters(), lr=settings.rate, weight_decay=settings.weight_decay)
    averaged = AveragedWeights(predictor, 0.995)
    predictor.remember.dropout = settings.dropout
    predictor.train()
    for step in range(settings.steps):
        optimizer.param_groups[0]["lr"] = learning_rate(step, settings.steps, settings.rate, WARM_UP)
        actions, numbers = (part.to(predictor.levels.device) for part in drawn.draw())
        logits, _ = predictor(actions[:, :-1])
        loss = prediction_loss(logits, numbers[:, 1:], numbers[:, :-1], settings.changes)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(predictor.parameters(), 1.0)
        optimizer.step()
        averaged.update(predictor, step)
        progress("learning to predict", step + 1, settings.steps)
    predictor.remember.dropout = 0.0
    averaged.copy_to(predictor)


def prediction_loss(logits: Tensor, comes: Tensor, now: Tensor, changes: float) -> Tensor:
    """Cross-entropy of logits `[B, T, V]` in two parts: whether the action changes, and, counted 1 + `changes` times,
    to which of the others. Both stay proper scores, so that the probabilities of "the same again" are not bent.

    `comes` and `now` int64 `[B, T]` are numbers of the vocabulary, or `UNKNOWN`: what comes is left out there.
    """
    log_probabilities = F.log_softmax(logits, -1)
    of_comes = log_probabilities.gather(-1, comes.clamp(min=0)[..., None])[..., 0]
    of_now = log_probabilities.gather(-1, now.clamp(min=0)[..., None])[..., 0]
    other = torch.log(-torch.expm1(of_now.clamp(max=-1e-5)))  # log(1 − p)
    other = torch.where(now == UNKNOWN, torch.zeros_like(other), other)
    known, changed = comes != UNKNOWN, (comes != now) & (comes != UNKNOWN)
    found = (of_comes * known).sum() + changes * ((of_comes - other) * changed).sum()
    return -found / known.sum().clamp(min=1)


class _Stretches:
    """Stretches of play, as it was or on keys, as actions on the grid and as numbers of the vocabulary."""

    def __init__(self, plays: list[Play], controls: Controls, grid: ActionGrid, settings: PredictorSettings) -> None:
        self._settings = settings
        self._rng = np.random.default_rng(settings.seed)
        usual = usual_push(plays, controls)
        keyed = [as_keys(play, controls, usual, self._rng) for play in plays]
        self.places = make_vocabulary(plays, controls, grid)
        number = {tuple(place): i for i, place in enumerate(self.places.tolist())}
        self._length = min(settings.length, max(map(len, plays)) - 1)
        long_enough = [i for i, play in enumerate(plays) if len(play) > self._length]
        self._kinds = [[_numbered(kind[i], grid, number) for i in long_enough] for kind in (plays, keyed)]
        lengths = np.array([len(plays[i]) for i in long_enough], np.float64)
        self._shares = lengths / lengths.sum()

    def draw(self) -> tuple[Tensor, Tensor]:
        """Actions `[B, length + 1, A]` and their numbers int64 `[B, length + 1]`."""
        rng, actions, numbers = self._rng, [], []
        for episode in rng.choice(len(self._shares), self._settings.batch, p=self._shares):
            play, number = self._kinds[int(rng.random() < self._settings.keyed)][episode]
            at = int(rng.integers(len(play) - self._length))
            actions.append(play[at : at + self._length + 1])
            numbers.append(number[at : at + self._length + 1])
        return torch.from_numpy(np.stack(actions)), torch.from_numpy(np.stack(numbers))


def _numbered(play: Play, grid: ActionGrid, number: dict[tuple[int, ...], int]) -> tuple[Play, NDArray[np.int64]]:
    places = np.rint(play * np.array(grid.levels)).astype(int).tolist()
    return grid.snap(play), np.array([number.get(tuple(place), UNKNOWN) for place in places], np.int64)


def measure_predictor(predictor: ActionPredictor, dataset: Dataset, progress: Progress) -> dict[str, HitRates]:
    """Hit rates on held-out episodes: as they were played, where that was on keys, and all of it as keys would have
    done it."""
    controls = dataset.meta.controls
    plays = [dataset.actions(episode) for episode in dataset.episodes("heldout")]
    guesses = guess_play(predictor, plays, progress)
    rates = {"as recorded": joined(guesses).rates()}
    keyed = np.concatenate([on_keys(play)[1:] for play in plays])
    if keyed.all():
        return rates
    usual = usual_push([dataset.actions(episode) for episode in dataset.episodes("train")], controls)
    rng = np.random.default_rng(0)
    others = guess_play(predictor, [as_keys(play, controls, usual, rng) for play in plays], progress)
    if keyed.any():
        rates["where it is on keys"] = joined(guesses).rates(keyed)
    return rates | {"as if on keys": joined(others).rates()}
