"""What a player may do next, seen from what was done: a world's predictor, and its memory of one session."""

from __future__ import annotations

import torch

from dreamcade.core.types import ActionVector
from dreamcade.dynamics import ActionPredictor
from dreamcade.dynamics.predictor import Memory

KEYS_FOR = 50
"""Ticks for which a hand must not have set anything between rest and its end to be taken for a hand on keys."""


class Foresight:
    """Told every action that was taken, it names the likeliest next ones. Computes in float32 on the CPU.

    A hand on keys stays on keys: while nothing else was seen, only what keys can do is named. A predictor that has
    learnt from smooth driving too would spend its guesses on a wheel that moves by a hair.
    """

    def __init__(self, predictor: ActionPredictor) -> None:
        self._predictor = predictor
        self._known = {tuple(action) for action in predictor.vocabulary.tolist()}
        self._off_keys = torch.tensor([not _is_on_keys(action) for action in predictor.vocabulary.numpy()])
        self._memory: Memory | None = None
        self._logits: torch.Tensor | None = None
        self._last: ActionVector | None = None
        self._analog = 0

    def forget(self) -> None:
        """Another play begins."""
        self._memory = self._logits = self._last = None
        self._analog = 0

    @torch.inference_mode()
    def tell(self, action: ActionVector, by_hand: bool = True) -> None:
        """The action `[A]`, on the grid, that a tick has taken; or, not `by_hand`, what led to where a play begins."""
        if by_hand:
            self._analog = max(0, self._analog - 1) if _is_on_keys(action) else KEYS_FOR
        logits, self._memory = self._predictor.step(torch.from_numpy(action)[None], self._memory)
        self._logits, self._last = logits[0], action

    def likeliest(self, count: int, least: float) -> list[ActionVector]:
        """Up to `count` next actions, likeliest first; none below the chance `least`. Of a player who does what nobody
        in the recordings did, "the same again" is expected first."""
        if self._logits is None or self._last is None:
            return []
        logits = self._logits if self._analog else self._logits.masked_fill(self._off_keys, -torch.inf)
        actions, chances = self._predictor.likeliest(logits, min(count, len(self._known)))
        named = [a for a, chance in zip(actions.numpy(), chances.tolist(), strict=True) if chance >= least]
        unheard = tuple(self._last.tolist()) not in self._known
        return [self._last, *named][:count] if unheard else named


def _is_on_keys(action: ActionVector) -> bool:
    return all(value in (-1.0, 0.0, 1.0) for value in action.tolist())
