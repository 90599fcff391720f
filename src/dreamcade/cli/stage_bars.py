"""One progress bar per stage of a long measurement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


@contextmanager
def stage_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Yields the callback that moves them: (what is being done, how much is done, how much there is). On stderr.

    Stages tell of themselves now and then: at a good end all are full. Where none began, nothing is printed.
    """
    columns = (TextColumn("{task.description:>28}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"))
    tasks: dict[str, TaskID] = {}
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))

    def move(what: str, done: int, total: int) -> None:
        if not tasks:
            bar.start()
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=total)
        bar.update(tasks[what], completed=done, total=total)

    try:
        yield move
        for task in bar.tasks:
            bar.update(task.id, completed=task.total)
    finally:
        if tasks:
            bar.stop()
