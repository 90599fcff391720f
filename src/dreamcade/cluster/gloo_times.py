"""What an exchange between two processes of this machine costs, over torch.distributed's gloo."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import torch
import torch.distributed as dist

from dreamcade.core.errors import BadInputError

SMALL, LARGE = 1 << 10, 8 << 20
"""Bytes that each process sends: so few that latency is what is measured, and so many that it is not."""
REPEATS = {SMALL: 200, LARGE: 8}
LIMIT = 60.0
"""Seconds until it is given up."""


def gloo_times() -> tuple[float, float]:
    """Seconds of a small all-to-all between two processes, one thread each, and bytes/s of a large one.

    Raises `BadInputError` where the processes do not answer in time.
    """
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        ends = [context.Pipe(duplex=False) for _ in range(2)]
        place = (Path(folder) / "meeting").as_uri()
        workers = [
            context.Process(target=_exchange, args=(rank, place, ends[rank][1]), daemon=True) for rank in range(2)
        ]
        try:
            for worker in workers:
                worker.start()
            times = [_received(end) for end, _ in ends]
        finally:
            for worker in workers:
                worker.kill()
                worker.join()
    latency, long = (max(of) for of in zip(*times, strict=True))
    return latency, LARGE / 2 / max(long - latency, 1e-9)  # half of what each has stays with it


def _received(end: Connection) -> list[float]:
    if not end.poll(LIMIT):
        raise BadInputError(f"two processes of this machine did not exchange anything by gloo within {LIMIT:g} s")
    try:
        return list(end.recv())
    except EOFError as error:
        raise BadInputError("a process that was to exchange by gloo ended; see what it said above") from error


def _exchange(rank: int, place: str, end: Connection) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=place, rank=rank, world_size=2, timeout=timedelta(seconds=LIMIT / 2))
    end.send([_median_seconds(size) for size in (SMALL, LARGE)])
    dist.destroy_process_group()


def _median_seconds(size: int) -> float:
    sent, came, times = torch.zeros(size, dtype=torch.uint8), torch.zeros(size, dtype=torch.uint8), []
    for _ in range(REPEATS[size]):
        began = time.perf_counter()
        dist.all_to_all_single(came, sent)
        times.append(time.perf_counter() - began)
    return median(times)
