"""Strips of one process: each is drawn by a thread, and they exchange through shared lists."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from dreamcade.codec.strips import Rows, Strips

PATIENCE = 20.0
"""Seconds after which a thread that waits for the others gives up."""


@dataclass
class Table:
    """What the threads have laid out for each other; `swaps` and `collects` are counted per strip."""

    count: int
    laid: list[object] = field(init=False)
    barrier: threading.Barrier = field(init=False)

    def __post_init__(self) -> None:
        self.laid = [None] * self.count
        self.barrier = threading.Barrier(self.count, timeout=PATIENCE)

    def round(self, index: int, mine: object) -> list[object]:
        self.laid[index] = mine
        self.barrier.wait()
        all_of_them = list(self.laid)
        self.barrier.wait()
        return all_of_them


@dataclass
class ThreadExchange:
    table: Table
    index: int
    swaps: int = 0
    collects: int = 0

    @property
    def count(self) -> int:
        return self.table.count

    def swap(self, rows: Rows) -> None:
        assert (rows.above is not None) == (self.index > 0) and (rows.below is not None) == (
            self.index < self.count - 1
        )
        laid = self.table.round(self.index, (rows.first.clone(), rows.last.clone()))
        self.swaps += 1
        if rows.above is not None:
            rows.above.copy_(laid[self.index - 1][1])  # type: ignore[index]
        if rows.below is not None:
            rows.below.copy_(laid[self.index + 1][0])  # type: ignore[index]

    def collect(self, x: Tensor, rows: Rows | None = None) -> Tensor:
        self.collects += 1
        if rows is not None:
            self.swap(rows)
        return torch.stack([part for part in self.table.round(self.index, x.clone()) if isinstance(part, Tensor)])


Together = Callable[[Sequence[int], Callable[[Strips], Tensor]], tuple[list[Tensor], list[ThreadExchange]]]


def draw_together(rows: Sequence[int], draw: Callable[[Strips], Tensor]) -> tuple[list[Tensor], list[ThreadExchange]]:
    """What each strip of so many rows draws, top to bottom, and what it exchanged for it."""
    table = Table(len(rows))
    exchanges = [ThreadExchange(table, index) for index in range(len(rows))]

    def one(exchange: ThreadExchange) -> Tensor:
        try:
            with torch.no_grad():
                return draw(Strips(exchange, tuple(rows)))
        except BaseException:
            table.barrier.abort()
            raise

    with ThreadPoolExecutor(len(rows)) as threads:
        return list(threads.map(one, exchanges)), exchanges


@pytest.fixture(scope="session")
def together() -> Together:
    """Draws strips of so many rows at once, each in a thread."""
    return draw_together
