"""Where an engine draws for itself when nobody else does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from dreamcade.engine.executors.executor import Executor
from dreamcade.kernels.choice import using
from dreamcade.kernels.names import Kernels

T = TypeVar("T")


class OwnThread:
    """One thread that draws, however many ask: PyTorch keeps a team of threads for each that computes."""

    def __init__(self, executor: Executor, kernels: Kernels, threads: int) -> None:
        self._executor, self._kernels = executor, kernels
        self._pool = ThreadPoolExecutor(1, "dreamcade-own-drawing", torch.set_num_threads, (threads,))

    def draw(self, latents: Tensor) -> Tensor:
        """As `Executor.draw`."""
        return self._pool.submit(self._draw, latents).result()

    def close(self) -> None:
        """Ends the thread."""
        self._pool.shutdown()

    @torch.inference_mode()
    def _draw(self, latents: Tensor) -> Tensor:
        with using(self._kernels):
            return self._executor.draw(latents)
