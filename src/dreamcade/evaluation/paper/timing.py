"""Milliseconds of several functions that take turns, so that whatever else the machine does meets all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

import torch

from dreamcade.evaluation.ceilings import finish
from dreamcade.evaluation.metrics import Progress

Run = Callable[[int], None]
"""Does its work so many times, the device's stream that is current included."""
TURN_MS = {"cuda": 30.0, "cpu": 1.0}
"""A turn is as many runs as take about this long …"""
MOST_RUNS = 200
"""… and no more than these."""
LEAST_ROUNDS = 3


def repeated(work: Callable[[], object]) -> Run:
    """A function as a `Run`."""

    def run(count: int) -> None:
        for _ in range(count):
            work()

    return run


def times_by_turns(
    sides: Mapping[str, Run], device: torch.device, seconds: float, what: str, progress: Progress
) -> dict[str, list[float]]:
    """Mean milliseconds of every turn of every side, after one run of each that does not count.

    It takes about `seconds`, and at least three rounds; where the first runs alone took longer than that, they are what
    counts. CUDA events on CUDA, else the wall clock.
    """
    began = time.perf_counter()
    first = {}
    for done, (name, run) in enumerate(sides.items()):
        progress(f"{what}: first runs", done, len(sides))
        first[name] = turn_ms(run, 1, device)
    progress(f"{what}: first runs", len(sides), len(sides))
    spent = time.perf_counter() - began
    if spent > seconds:
        return {name: [ms] for name, ms in first.items()}
    counts = {name: runs_of(turn_ms(run, 1, device), device) for name, run in sides.items()}
    times: dict[str, list[float]] = {name: [] for name in sides}
    began, rounds = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds or rounds < LEAST_ROUNDS:
        progress(what, min(int(spent), int(seconds)), max(1, int(seconds)))
        for name, run in sides.items():
            times[name].append(turn_ms(run, counts[name], device))
        rounds += 1
    progress(what, max(1, int(seconds)), max(1, int(seconds)))
    return times


def medians(times: Mapping[str, list[float]]) -> dict[str, float]:
    """Of every side."""
    return {name: median(turns) for name, turns in times.items()}


def runs_of(ms: float, device: torch.device) -> int:
    """How many runs make a turn."""
    return max(1, min(MOST_RUNS, round(TURN_MS.get(device.type, 1.0) / max(ms, 1e-3))))


def turn_ms(run: Run, count: int, device: torch.device) -> float:
    """Mean milliseconds of `count` runs."""
    finish(device)
    if device.type == "cuda":
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        began.record()
        run(count)
        ended.record()
        ended.synchronize()
        return float(began.elapsed_time(ended)) / count
    start = time.perf_counter()
    run(count)
    return 1e3 * (time.perf_counter() - start) / count
