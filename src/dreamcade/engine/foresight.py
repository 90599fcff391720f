"""What players may do next, seen from what they did: a world's predictor, and its memory of every session."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from dreamcade.core.types import ActionVector
from dreamcade.dynamics import ActionPredictor
from dreamcade.dynamics.predictor_rows import PredictorRows

KEYS_FOR = 50
"""Ticks for which a hand must not have set anything between rest and its end to be taken for a hand on keys."""


class Foresight:
    """Told every action that was taken, it names the likeliest next ones. Computes in float32 on the CPU.

    It goes by the sessions' own rows (`Session.row`), and hears all that took a tick in one turn of the loop at once;
    what it says of one does not depend on the others. A row that goes to another session begins anew.

    A hand on keys stays on keys: while nothing else was seen, only what keys can do is named. A predictor that has
    learnt from smooth driving too would spend its guesses on a wheel that moves by a hair.
    """

    def __init__(self, predictor: ActionPredictor) -> None:
        self._predictor = predictor
        self._rows = PredictorRows(predictor)
        vocabulary = predictor.vocabulary.numpy()
        self._heard_of = set(_keys(vocabulary))
        off_keys = torch.from_numpy(np.where(_on_keys(vocabulary), 0.0, -np.inf).astype(np.float32))
        self._barred = torch.stack([off_keys, torch.zeros_like(off_keys)])  # to hands on keys, to others
        self._last = np.zeros((0, vocabulary.shape[1]), np.float32)
        self._analog, self._told = np.zeros(0, np.int64), np.zeros(0, np.bool_)

    def begin(self, rows: Sequence[int], histories: NDArray[np.float32]) -> None:
        """Other plays begin in `rows`; `histories` `[B, T, A]` led to where they do, by nobody's hand."""
        self._rows.begin(rows)
        missing = self._rows.capacity - len(self._told)
        self._last = np.pad(self._last, ((0, missing), (0, 0)))
        self._analog, self._told = np.pad(self._analog, (0, missing)), np.pad(self._told, (0, missing))
        index = np.array(rows)
        self._analog[index], self._told[index] = 0, False
        for actions in histories.swapaxes(0, 1):
            self._hear(rows, index, actions)

    def tell(self, rows: Sequence[int], actions: NDArray[np.float32]) -> None:
        """The actions `[B, A]`, on the grid, that a tick of the plays in `rows` has taken."""
        index = np.array(rows)
        self._hear(rows, index, actions)
        self._analog[index] = np.where(_on_keys(actions), np.maximum(0, self._analog[index] - 1), KEYS_FOR)

    def likeliest(self, rows: Sequence[int], count: int, least: float) -> list[list[ActionVector]]:
        """For each of `rows`, up to `count` next actions, likeliest first; none below the chance `least`. Of a player
        who does what nobody in the recordings did, "the same again" is expected first."""
        told = [row for row in rows if row < len(self._told) and self._told[row]]
        if len(told) == len(rows):
            return self._named(rows, count, least) if told else []
        named = dict(zip(told, self.likeliest(told, count, least), strict=True))
        return [named.get(row, []) for row in rows]

    def _named(self, rows: Sequence[int], count: int, least: float) -> list[list[ActionVector]]:
        index = np.array(rows)
        hands, last = torch.from_numpy(self._analog[index] > 0), self._last[index]
        logits = self._rows.logits(rows) + self._barred[hands.long()]
        best, chances = self._predictor.likeliest(logits, count)
        return [
            [action for action, chance in zip(own, likely, strict=True) if chance >= least]
            if key in self._heard_of
            else [again, *(action for action, chance in zip(own, likely, strict=True) if chance >= least)][:count]
            for key, again, own, likely in zip(_keys(last), last, best.numpy(), chances.tolist(), strict=True)
        ]

    def _hear(self, rows: Sequence[int], index: NDArray[np.int64], actions: NDArray[np.float32]) -> None:
        self._rows.tell(rows, torch.from_numpy(actions))
        self._last[index], self._told[index] = actions, True


def _keys(actions: NDArray[np.float32]) -> list[bytes]:
    """Of `[B, A]`, what each can be found by."""
    data, size = (actions + np.float32(0.0)).tobytes(), 4 * actions.shape[1]  # there is one zero only
    return [data[begin : begin + size] for begin in range(0, len(data), size)]


def _on_keys(actions: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Of `[B, A]`, those `[B]` in which every control is at rest or at its end."""
    on_keys: NDArray[np.bool_] = ((actions == 0.0) | (np.abs(actions) == 1.0)).all(1)
    return on_keys
