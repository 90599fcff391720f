"""What a player may do next, seen from what was done: a world's predictor, and its memory of one session."""

from __future__ import annotations

import torch

from dreamcade.core.types import ActionVector
from dreamcade.dynamics import ActionPredictor
from dreamcade.dynamics.predictor import Memory


class Foresight:
    """Told every action that was taken, it names the likeliest next ones. Computes in float32 on the CPU."""

    def __init__(self, predictor: ActionPredictor) -> None:
        self._predictor = predictor
        self._known = {tuple(action) for action in predictor.vocabulary.tolist()}
        self._memory: Memory | None = None
        self._logits: torch.Tensor | None = None
        self._last: ActionVector | None = None

    def forget(self) -> None:
        """Another play begins."""
        self._memory = self._logits = self._last = None

    @torch.inference_mode()
    def tell(self, action: ActionVector) -> None:
        """The action `[A]`, on the grid, that a tick has taken."""
        logits, self._memory = self._predictor.step(torch.from_numpy(action)[None], self._memory)
        self._logits, self._last = logits[0], action

    def likeliest(self, count: int, least: float) -> list[ActionVector]:
        """Up to `count` next actions, likeliest first; none below the chance `least`. Of a player who does what nobody
        in the recordings did, "the same again" is expected first."""
        if self._logits is None or self._last is None:
            return []
        actions, chances = self._predictor.likeliest(self._logits, min(count, len(self._known)))
        named = [a for a, chance in zip(actions.numpy(), chances.tolist(), strict=True) if chance >= least]
        unheard = tuple(self._last.tolist()) not in self._known
        return [self._last, *named][:count] if unheard else named
