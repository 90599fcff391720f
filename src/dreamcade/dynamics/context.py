"""What the next frame follows from."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dreamcade.dynamics.exchange import ALONE, Exchange


@dataclass(frozen=True, slots=True)
class Context:
    """What the next frame follows from.

    `recent` tokens of the newest frames, newest first, `[B, R, L, c]`; `actions` `[B, history, A]`, newest last;
    `memory` (keys, values) per memory layer, each `[B, N, l, D]` of this device's places; `ages` int64 `[B, N]`.
    `exchange` with the devices that share the frames, if any.
    """

    recent: Tensor
    actions: Tensor
    memory: list[tuple[Tensor, Tensor]]
    ages: Tensor
    exchange: Exchange = ALONE

    @property
    def latest(self) -> Tensor:
        """The newest frame's tokens `[B, L, c]`."""
        return self.recent[:, 0]

    def __len__(self) -> int:
        """B, its rows."""
        return len(self.recent)

    def rows(self, count: int) -> Context:
        """The first `count` rows."""
        return self._part(slice(count))

    def row(self, number: int) -> Context:
        """One of them, alone."""
        return self._part(slice(number, number + 1))

    def shared_by(self, exchange: Exchange) -> Context:
        """This device's part of a context whose memory is whole: for one that keeps all of a session, and shares only
        its passes. Nothing is copied."""
        memory = [(exchange.own(keys), exchange.own(values)) for keys, values in self.memory]
        return Context(self.recent, self.actions, memory, self.ages, exchange)

    def _part(self, rows: slice) -> Context:
        memory = [(keys[rows], values[rows]) for keys, values in self.memory]
        return Context(self.recent[rows], self.actions[rows], memory, self.ages[rows], self.exchange)
