"""How often the action that comes is among those a predictor expects, tick by tick as an engine asks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dreamcade.dynamics import ActionPredictor
from dreamcade.dynamics.predictor import Memory
from dreamcade.evaluation.metrics import Progress

DRAFTS = (1, 2, 3, 4)
"""How many actions are expected at once."""


@dataclass(frozen=True, slots=True)
class HitRates:
    """Shares of `ticks`. `hits` and `hits_on_changes`: the action that came was among the 1, 2, … likeliest; `same`:
    it was the one before again, the baseline of a single draft; `unknown`: the vocabulary lacks it."""

    ticks: int
    hits: tuple[float, ...]
    same: float
    hits_on_changes: tuple[float, ...]
    unknown: float

    def row(self, play: str) -> dict[str, Any]:
        """As a line of a card's table, in percent."""
        drafts = {f"{k} draft{'s' if k > 1 else ''}": _percent(hit) for k, hit in zip(DRAFTS, self.hits, strict=True)}
        changes = " / ".join(_percent(hit) for hit in self.hits_on_changes)
        return {"held-out play": play, "ticks": self.ticks, "same again": _percent(self.same), **drafts,
                "on changes": changes}  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if np.isfinite(share) else "–"


@dataclass(frozen=True, slots=True)
class Guesses:
    """What was expected of one play, for every tick but its first: `hit` bool `[T − 1, drafts]`, `changed` and `known`
    bool `[T − 1]`."""

    hit: NDArray[np.bool_]
    changed: NDArray[np.bool_]
    known: NDArray[np.bool_]

    def rates(self, where: NDArray[np.bool_] | None = None) -> HitRates:
        """Shares of the ticks that are true in `where` `[T − 1]`, of all by default; NaN where there are none."""
        chosen = np.ones(len(self.hit), np.bool_) if where is None else where
        hit, changed = self.hit[chosen], self.changed[chosen]
        return HitRates(
            len(hit), _means(hit), 1 - _mean(changed), _means(hit[changed]), 1 - _mean(self.known[chosen])
        )  # fmt: skip


def joined(guesses: Sequence[Guesses]) -> Guesses:
    """Of all plays at once."""
    return Guesses(*(np.concatenate([getattr(g, name) for g in guesses]) for name in ("hit", "changed", "known")))


def guess_play(predictor: ActionPredictor, plays: Sequence[NDArray[np.float32]], progress: Progress | None = None) -> (
    list[Guesses]
):  # fmt: skip
    """Asks the predictor at every tick of every play (actions `[T, A]`, put on its grid) what comes next."""
    plays = [predictor.grid.snap(play) for play in plays]
    longest = max(len(play) for play in plays)
    padded = np.stack([np.pad(play, ((0, longest - len(play)), (0, 0))) for play in plays])
    actions = torch.from_numpy(padded).to(predictor.places.device)
    keys = (actions * predictor.levels).round().to(predictor.places.dtype)
    hits, memory = [], None
    for tick in range(longest - 1):
        hit, memory = _guess_tick(predictor, actions[:, tick], keys[:, tick + 1], memory)
        hits.append(hit)
        if progress and (tick % 20 == 0 or tick == longest - 2):
            progress("held-out play, tick by tick", tick + 1, longest - 1)
    every = torch.stack(hits, 1).cpu().numpy()
    vocabulary = {tuple(place) for place in predictor.places.tolist()}
    return [_of(every[i], keys[i].cpu().numpy(), len(play), vocabulary) for i, play in enumerate(plays)]


def _guess_tick(
    predictor: ActionPredictor, actions: torch.Tensor, comes: torch.Tensor, memory: Memory | None
) -> tuple[torch.Tensor, Memory]:
    """bool `[B, drafts]`: whether what `comes`, places `[B, A]`, is among the likeliest after `actions` `[B, A]`."""
    logits, memory = predictor.step(actions, memory)
    expected, _ = predictor.likeliest(logits, DRAFTS[-1])
    right = ((expected * predictor.levels).round().to(comes.dtype) == comes[:, None]).all(-1)
    right = torch.nn.functional.pad(right, (0, DRAFTS[-1] - right.shape[1]))  # a vocabulary of fewer
    return right.cumsum(1) > 0, memory


def _of(hit: NDArray[np.bool_], keys: NDArray[np.int16], length: int, vocabulary: set[tuple[int, ...]]) -> Guesses:
    known = np.array([tuple(key) in vocabulary for key in keys[1:length].tolist()], np.bool_)
    return Guesses(hit[: length - 1], (keys[1:length] != keys[: length - 1]).any(1), known)


def _mean(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _means(hit: NDArray[np.bool_]) -> tuple[float, ...]:
    return tuple(_mean(column) for column in hit.T)
