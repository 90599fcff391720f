"""Rows of one shared dynamics state, handed out to sessions."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamcade.dynamics import Dynamics, DynamicsState


class Slots:
    """Owns the state of all sessions. It doubles when it is full, and never shrinks."""

    def __init__(self, dynamics: Dynamics, rows: int) -> None:
        self._dynamics = dynamics
        self.state: DynamicsState = dynamics.new_state(rows)
        self._free = list(range(rows - 1, -1, -1))

    @property
    def capacity(self) -> int:
        """Sessions that fit before the state has to grow."""
        return self.state.batch

    def acquire(self) -> int:
        """An empty row."""
        if not self._free:
            self._grow()
        row = self._free.pop()
        self.state.reset(self.index([row]))
        return row

    def release(self, row: int) -> None:
        """Gives a row back."""
        self._free.append(row)

    def index(self, rows: list[int]) -> Tensor:
        """Row numbers as the int64 tensor that the dynamics takes."""
        return torch.tensor(rows, dtype=torch.int64, device=self.state.count.device)

    def _grow(self) -> None:
        old, count = self.state, self.capacity
        self.state = self._dynamics.new_state(2 * count)
        grown = self.state.tensors()
        for name, tensor in old.tensors().items():
            grown[name][:count] = tensor
        self._free = list(range(2 * count - 1, count - 1, -1))
