"""The noise of a frame: a pure function of the session's seed and the tick.

Philox is a counter-based generator (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3"): the seed is
its key, the tick stands in its counter. So a frame's noise depends neither on what was drawn before it nor on who else
plays, and a draft that is dropped takes nothing with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor


def tick_noise(seed: int, tick: int, shape: tuple[int, ...]) -> Tensor:
    """Standard normal float32 `shape` of one tick."""
    philox = np.random.Philox(key=np.array([seed, 0], np.uint64), counter=np.array([0, tick, 0, 0], np.uint64))
    return torch.from_numpy(np.random.Generator(philox).standard_normal(shape, dtype=np.float32))


MANY = 32
"""Frames whose noise is drawn by several cores; handing a share to a thread takes as long as drawing one."""


class Noise:
    """The noise of a batch, by so many threads where it is large: NumPy draws without Python's lock."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None

    def draw(self, keys: Sequence[tuple[int, int]], shape: tuple[int, ...]) -> Tensor:
        """Of each seed and tick, which may come more than once: float32 `[shape[0], B, *shape[1:]]`."""
        once = list(dict.fromkeys(keys))
        drawn = dict(zip(once, self._drawn(once, shape), strict=True))
        return torch.stack([drawn[key] for key in keys], dim=1)

    def close(self) -> None:
        """Ends the threads; what is still asked is drawn by whoever asks."""
        pool, self._pool, self._threads = self._pool, None, 1
        if pool is not None:
            pool.shutdown()

    def _drawn(self, keys: list[tuple[int, int]], shape: tuple[int, ...]) -> list[Tensor]:
        if self._threads == 1 or len(keys) < MANY:
            return [tick_noise(seed, tick, shape) for seed, tick in keys]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, "dreamcade-noise")
        each = -(-len(keys) // self._threads)
        shares = [keys[begin : begin + each] for begin in range(0, len(keys), each)]
        draw = self._pool.map(lambda share: [tick_noise(seed, tick, shape) for seed, tick in share], shares)
        return [noise for share in draw for noise in share]
