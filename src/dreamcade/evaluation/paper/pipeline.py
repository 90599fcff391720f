"""The paper's engine with its two halves on two streams: while frame t is drawn, the dynamics is at frame t + 1.

The slower half then sets the pace, as far as one device can do both at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from dreamcade.engine.executors.capture import Replay
from dreamcade.evaluation.paper.engine import PaperEngine


class PipelinedEngine:
    """The frames of an engine, bit for bit. On CUDA each half is a graph of its own; on a CPU they take turns."""

    def __init__(self, engine: PaperEngine) -> None:
        self._engine = engine
        self._handed = torch.zeros_like(engine.buffers.latents)
        self._dream = Replay(engine.dream, engine.device)
        self._draw = Replay(lambda: engine.draw(self._handed), engine.device)
        self._turns = StreamTurns() if engine.device.type == "cuda" else Turns()
        engine.reset()

    def frame(self, actions: Tensor, noise: Tensor) -> Tensor:
        """Queues the next frame → its pixels, a tensor of its own, to be read after `wait`.

        What the caller's stream does next may overwrite both inputs.
        """
        turns = self._turns
        with turns.dreaming():
            self._engine.load(actions, noise)
            turns.inputs_taken()
            self._dream()
        with turns.drawing():
            self._handed.copy_(self._engine.buffers.latents)
            turns.latents_taken()
            self._draw()
            return self._engine.buffers.pixels.clone()

    def wait(self) -> None:
        """What the caller's stream does next comes after all queued frames."""
        self._turns.join()


class Turns:
    """Who goes first, where there is nothing to overlap: as it is called."""

    @contextmanager
    def dreaming(self) -> Iterator[None]:
        yield

    @contextmanager
    def drawing(self) -> Iterator[None]:
        yield

    def inputs_taken(self) -> None:
        """The caller's stream may go on."""

    def latents_taken(self) -> None:
        """The next latents may be made."""

    def join(self) -> None:
        """The caller's stream waits for both."""


class StreamTurns(Turns):
    """Two streams that wait for each other by events: the host waits for neither."""

    def __init__(self) -> None:
        self._dream, self._draw = (torch.cuda.Stream() for _ in range(2))  # type: ignore[no-untyped-call]
        self._inputs, self._made, self._latents = (torch.cuda.Event() for _ in range(3))  # type: ignore[no-untyped-call]

    @contextmanager
    def dreaming(self) -> Iterator[None]:
        """Begins when the inputs are there and the latents of the frame before have been taken."""
        self._caller = torch.cuda.current_stream()
        self._dream.wait_stream(self._caller)
        self._dream.wait_event(self._latents)
        with torch.cuda.stream(self._dream):
            yield
        self._made.record(self._dream)

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Begins when the latents are made."""
        self._draw.wait_event(self._made)
        with torch.cuda.stream(self._draw):
            yield

    def inputs_taken(self) -> None:
        self._inputs.record(self._dream)
        self._caller.wait_event(self._inputs)

    def latents_taken(self) -> None:
        self._latents.record(self._draw)

    def join(self) -> None:
        caller = torch.cuda.current_stream()
        caller.wait_stream(self._dream)
        caller.wait_stream(self._draw)
