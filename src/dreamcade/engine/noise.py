"""The noise of a frame: a pure function of the session's seed and the tick.

Philox is a counter-based generator (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3"): the seed is
its key, the tick stands in its counter. So a frame's noise depends neither on what was drawn before it nor on who else
plays, and a draft that is dropped takes nothing with it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def tick_noise(seed: int, tick: int, shape: tuple[int, ...]) -> Tensor:
    """Standard normal float32 `shape` of one tick."""
    philox = np.random.Philox(key=np.array([seed, 0], np.uint64), counter=np.array([0, tick, 0, 0], np.uint64))
    return torch.from_numpy(np.random.Generator(philox).standard_normal(shape, dtype=np.float32))
