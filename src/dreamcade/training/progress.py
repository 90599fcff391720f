"""What a person sees of a training, and what TensorBoard keeps of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Report = Callable[[int, dict[str, float]], None]
"""Called with the step and its figures."""


def keep_figures(file: Path, step: int, seconds: float, figures: Mapping[str, float]) -> None:
    """Adds a line to the JSONL `file`: what a check found after `step` steps and so many seconds of training."""
    with file.open("a") as lines:
        lines.write(json.dumps({"step": step, "seconds": round(seconds), **figures}) + "\n")


class TrainingProgress:
    """A progress bar with the newest figures and the time left; scalars go to TensorBoard where it is installed."""

    def __init__(self, title: str, steps: int, done: int, log_folder: Path) -> None:
        self._bar = Progress(
            TextColumn(title),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            TextColumn("{task.fields[figures]}"),
        )
        self._task = self._bar.add_task(title, total=steps, completed=done, figures="")
        self._smooth: float | None = None
        self._held_out: dict[str, float] = {}
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self._writer = None
        else:
            self._writer = SummaryWriter(str(log_folder))

    def __enter__(self) -> TrainingProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if self._writer is not None:
            self._writer.close()

    def report(self, step: int, figures: dict[str, float]) -> None:
        """Shows and logs the figures of one step."""
        self._smooth = figures["loss"] if self._smooth is None else 0.98 * self._smooth + 0.02 * figures["loss"]
        held_out = {k: v for k, v in figures.items() if k.startswith(("psnr", "lpips", "frames_per", "share_of"))}
        if held_out:
            self._held_out = held_out
            self._bar.console.print(f"step {step}: " + ", ".join(f"{k} {v:.2f}" for k, v in held_out.items()))
        if self._writer is not None and (held_out or step % 20 == 0):
            for name, value in figures.items():
                self._writer.add_scalar(name, value, step)
        text = f"loss {self._smooth:.4f} " + " ".join(f"{k} {v:.1f}" for k, v in list(self._held_out.items())[:1])
        self._bar.update(self._task, completed=step, figures=text)


@contextmanager
def training_progress(title: str, steps: int, done: int, log_folder: Path, shown: bool) -> Iterator[Report]:
    """Yields the callback for a trainer's figures: a `TrainingProgress`, or, not `shown`, one that does nothing."""
    if not shown:
        yield lambda step, figures: None
        return
    with TrainingProgress(title, steps, done, log_folder) as progress:
        yield progress.report
