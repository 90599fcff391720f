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
        self._memory: Memory | None = None
        self._chances: torch.Tensor | None = None

    def forget(self) -> None:
        """Another play begins."""
        self._memory = self._chances = None

    @torch.inference_mode()
    def tell(self, action: ActionVector) -> None:
        """The action `[A]`, on the grid, that a tick has taken."""
        logits, self._memory = self._predictor(torch.from_numpy(action)[None, None], self._memory)
        self._chances = logits[0, 0].softmax(0)

    def likeliest(self, count: int, least: float) -> list[tuple[ActionVector, float]]:
        """Up to `count` next actions and their chances, likeliest first; none below the chance `least`."""
        if self._chances is None:
            return []
        chances, places = self._chances.topk(min(count, len(self._chances)))
        actions = self._predictor.vocabulary[places].numpy()
        return [(a, float(p)) for a, p in zip(actions, chances.tolist(), strict=True) if p >= least]
