"""The loop of a training: steps, and now and then a checkpoint and figures of held-out play."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from dreamcade.training.checkpoint import saved_when_interrupted
from dreamcade.training.progress import keep_figures
from dreamcade.training.throughput import Throughput
from dreamcade.training.workers import Workers

Report = Callable[[int, dict[str, float]], None]


class Trainer(Protocol):
    """What is trained: `step` of them were made, in so many `seconds`."""

    step: int
    seconds: float

    @property
    def workers(self) -> Workers: ...
    @property
    def throughput(self) -> Throughput: ...
    def save(self) -> None: ...
    def held_out_figures(self) -> dict[str, float]: ...


def train_until(
    trainer: Trainer, steps: int, train_step: Callable[[], dict[str, float]], report: Report, *, batch: int,
    check_every: int, save_every: int, figures: Path,
) -> None:  # fmt: skip
    """Calls `train_step()` until `steps` were made, and `report(step, figures)` after each. What is held out is looked
    at every `check_every` steps, by the leading worker, and kept in the file `figures`; stopped by Ctrl-C, it saves."""
    workers = trainer.workers
    with saved_when_interrupted(trainer.save):
        while trainer.step < steps:
            began = time.perf_counter()
            found = train_step()
            trainer.step += 1
            took = time.perf_counter() - began
            trainer.seconds += took
            trainer.throughput.add(batch * workers.count, took)
            last = trainer.step == steps
            if trainer.step % save_every == 0 or last:
                trainer.save()
            if trainer.step % check_every == 0 or last:
                if workers.leads:
                    held_out = trainer.held_out_figures() | trainer.throughput.take()
                    keep_figures(figures, trainer.step, trainer.seconds, held_out)
                    found |= held_out
                workers.wait()
            report(trainer.step, found)
