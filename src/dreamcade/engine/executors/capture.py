"""CUDA graphs: a small network at batch 1 waits for its launches; captured once, a whole frame is one launch."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from dreamcade.dynamics.dynamics import Abandoned, Context
from dreamcade.dynamics.transformer import GoOn
from dreamcade.engine.executors.eager import EagerExecutor
from dreamcade.kernels.names import Kernels

logger = logging.getLogger(__name__)
Made = TypeVar("Made")
_WARM_UPS = 3
"""Calls before a capture: libraries choose their algorithms, Triton compiles."""


class Replay(Generic[Made]):
    """A function of no arguments that reads and writes tensors that stay where they are: captured once, one launch
    since, whose result is always the same tensors. On a CPU, which has no graphs, the function itself runs.

    To capture it, it is run first: what it changes, the caller restores.
    """

    def __init__(self, function: Callable[[], Made], device: torch.device) -> None:
        self._function = function
        self._graph: torch.cuda.CUDAGraph | None = None
        if device.type == "cuda":
            self._capture(device)

    def __call__(self) -> Made:
        if self._graph is None:
            return self._function()
        self._graph.replay()
        return self._made

    def _capture(self, device: torch.device) -> None:
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                self._function()
        torch.cuda.current_stream(device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Another thread may be drawing meanwhile: what it does must not end this capture.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            self._made = self._function()
        self._graph = graph


class Captured:
    """A function of tensors that are always the same places: copies come in, the graph is replayed, copies go out."""

    def __init__(self, function: Callable[..., Tensor], examples: Sequence[Tensor]) -> None:
        self._inputs = [tensor.clone() for tensor in examples]
        self._running = threading.Lock()
        self._replay = Replay(lambda: function(*self._inputs), self._inputs[0].device)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """What the function would return, bit for bit, in a tensor of its own."""
        with self._running:
            for place, tensor in zip(self._inputs, inputs, strict=True):
                place.copy_(tensor)
            return self._replay().clone()


class CapturedExecutor:
    """An eager executor's two functions, each captured once for every number of rows up to `most_rows`.

    More rows at once, or what cannot be captured, run one operation after the other, as before.
    """

    def __init__(self, eager: EagerExecutor, most_rows: int = 8) -> None:
        self._eager = eager
        self._most_rows = most_rows
        self._captured: dict[tuple[str, int], Captured | None] = {}
        self._capturing = threading.Lock()

    @property
    def name(self) -> str:
        return f"{self._eager.name}, CUDA graphs"

    @property
    def storage(self) -> torch.dtype:
        return self._eager.storage

    @property
    def kernels(self) -> Kernels:
        return Kernels.AUTO

    @property
    def lanes(self) -> int:
        return 1

    def sample(self, context: Context, noise: Tensor, go_on: GoOn | None = None) -> Tensor:
        if go_on is not None and not go_on():
            raise Abandoned
        memory = [part for layer in context.memory for part in layer]
        given = (context.recent, context.actions, context.ages, noise, *memory)
        captured = self._get("a pass", len(context), self._sample, *given)
        return self._eager.sample(context, noise, go_on) if captured is None else captured(*given)

    def draw(self, latents: Tensor) -> Tensor:
        captured = self._get("a picture", len(latents), self._eager.draw, latents)
        return self._eager.draw(latents) if captured is None else captured(latents)

    def _sample(self, recent: Tensor, actions: Tensor, ages: Tensor, noise: Tensor, *memory: Tensor) -> Tensor:
        layers = list(zip(memory[::2], memory[1::2], strict=True))
        return self._eager.sample(Context(recent, actions, layers, ages), noise)

    def _get(self, what: str, rows: int, function: Callable[..., Tensor], *examples: Tensor) -> Captured | None:
        if rows > self._most_rows:
            return None
        with self._capturing:
            if (what, rows) not in self._captured:
                logger.warning("capturing %s for %d at once: a moment, once", what, rows)
                try:
                    self._captured[what, rows] = Captured(function, examples)
                except RuntimeError as error:
                    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                    logger.warning("%s cannot be captured (%s); it runs step by step", what, reason)
                    self._captured[what, rows] = None
            return self._captured[what, rows]
