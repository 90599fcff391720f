"""Many episodes at once, one process per core. What makes the frames is passed in: this room knows no game."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any

from dreamcade.core.errors import DatasetError
from dreamcade.dataset.format import DatasetMeta, EpisodeInfo, Split
from dreamcade.dataset.writer import DatasetWriter, Moment, write_episode

Source = Callable[[int], Iterable[Moment]]
"""Seed → the moments of its episode. Pickled to the workers."""
Progress = Callable[[int, int], None]
"""Called a few times a second with the ticks and the episodes stored so far."""

POLL_SECONDS = 0.2

_ticks: Any = None
_stop: Any = None


class _Stopped(Exception):
    """The recording was told to end; the episode in hand is given up."""


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def write_parallel(
    writer: DatasetWriter, plan: list[tuple[int, Split]], source: Source, workers: int, progress: Progress
) -> None:
    """Stores the episodes of `plan` with `workers` processes, entering each into the index when it is whole.

    On Ctrl-C or an error the episodes in hand are given up and nothing of them stays; a later call with the same
    plan goes on from there. Raises what a worker raised, or `DatasetError` where one was killed.
    """
    context = multiprocessing.get_context("spawn")
    ticks, stop = context.Value(ctypes.c_longlong, 0), context.Event()
    pool = ProcessPoolExecutor(min(workers, max(1, len(plan))), context, _enter, (ticks, stop))
    try:
        pending = {pool.submit(_work, writer.path, writer.meta, seed, split, source) for seed, split in plan}
        _collect(writer, pending, lambda stored: progress(ticks.value, stored))
    except BrokenProcessPool as error:
        raise DatasetError(
            f"a recording process was killed (out of memory?); run it again with fewer --workers: "
            f"the {len(writer.episodes)} episodes stored so far are kept"
        ) from error
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
        writer.sweep()


def _collect(writer: DatasetWriter, pending: set[Future[EpisodeInfo]], report: Callable[[int], None]) -> None:
    stored = 0
    while pending:
        done, pending = wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            writer.add(future.result())
            stored += 1
        report(stored)


def _enter(ticks: Any, stop: Any) -> None:
    """Runs first in every worker."""
    global _ticks, _stop
    _ticks, _stop = ticks, stop
    # Ctrl-C reaches every process of the terminal; only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, args=(os.getppid(),), daemon=True).start()


def _follow_parent(parent: int) -> None:
    # A killed parent tells nobody; an orphan would go on writing into a folder that another run may own.
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    _end_children()
    os._exit(1)


def _end_children() -> None:
    """A game that plays in a process of its own may wait for ever for its next key (Linux tells who they are)."""
    for listed in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            for child in listed.read_text().split():
                os.kill(int(child), signal.SIGKILL)


def _work(path: Path, meta: DatasetMeta, seed: int, split: Split, source: Source) -> EpisodeInfo:
    return write_episode(path, meta, seed, split, _counted(source(seed)))


def _counted(moments: Iterable[Moment]) -> Iterator[Moment]:
    for moment in moments:
        if _stop.is_set():
            raise _Stopped
        yield moment
        with _ticks.get_lock():
            _ticks.value += 1
