"""`soak_failures.py MINUTES [WORLD]`: plays over several processes while these are killed and stopped at random.

Several sessions play in one game loop that makes latents here and draws them in two other processes, which are replaced
when they are lost. Asserts that no session is lost, that frames come in order, that each is the frame of a twin in one
process that takes the same actions from a snapshot just before a loss on, through the loss, and that neither memory nor
file descriptors nor threads grow. Prints figures as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import dataclasses
import gc
import itertools
import json
import logging
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from dreamcade.cluster.layout import Layout
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.engine import EncodedFrame, Engine, GameLoop
from dreamcade.engine.executors.spread import SpreadExecutor
from dreamcade.engine.proposal import Dreamed, Proposal
from dreamcade.engine.snapshot import unpack
from dreamcade.world import World

PLAYERS, WORKERS = 3, 2
WINDOW, STRIDE = 60, 10
"""Ticks from just before a loss that a twin makes again, and every how many of them the frame is compared."""
WARM = 0.3
"""Of the time, after which memory is compared."""
GROWTH_MB = 16.0
"""Of memory that is held after freed pages were given back; in half an hour a leak of one 720×480 frame a loss would be
120, and of 1 KB a frame 65."""
ROUNDING = 2
"""Of a colour: passes and pictures in batches of other sizes round otherwise, where rows are not computed alone."""
LONGEST_SILENCE = 2.5
"""Seconds without a frame, at most, for any player; a loss is noticed within one."""


@dataclasses.dataclass
class Window:
    """What a twin needs to go through a loss once more: the actions, and in a file (what a soak keeps would look like a
    leak) the session before it (`state`: where it lies, and its bytes) and some frames."""

    seed: int
    state: tuple[int, int]
    first: int
    actions: list[ActionVector] = dataclasses.field(default_factory=list)
    frames: dict[int, int] = dataclasses.field(default_factory=dict)
    """Where in the file each tick's frame lies."""


class Player:
    """Plays at random."""

    def __init__(
        self, engine: Engine, loop: GameLoop, seed: int, chance: random.Random, file: BinaryIO, writing: threading.Lock
    ) -> None:
        self.chance, self.file, self.notices = chance, file, 0
        self.session = engine.open_session(seed=seed)
        self.ticks, self.frames, self.out_of_order = -1, 0, 0
        self.last, self.longest = 0.0, 0.0
        self.window: Window | None = None
        self._writing = writing
        self.handle = loop.attach(self.session, self._sink, on_notice=self._notice)
        self._sequence = 0

    def watch(self) -> Window:
        """From now on, for so many ticks, what is done and shown is kept."""
        state = self.session.snapshot()
        self.window = Window(self.session.seed, (self._keep(state), len(state)), unpack(state).tick)
        return self.window

    def _keep(self, data: bytes) -> int:
        with self._writing:
            place = self.file.seek(0, os.SEEK_END)
            self.file.write(data)
        return place

    def press(self) -> None:
        low, high = self.session.engine.world.controls.bounds()
        self._sequence += 1
        action = np.where([self.chance.random() < 0.5 for _ in low], low, high).astype(np.float32)
        self.handle.input(action, self._sequence, 0.0)

    def _notice(self, text: str) -> None:
        self.notices += 1

    def _sink(self, frame: EncodedFrame) -> None:
        now, window = time.monotonic(), self.window
        self.longest, self.last = max(self.longest, now - (self.last or now)), now
        self.out_of_order += frame.tick <= self.ticks
        self.ticks = frame.tick
        self.frames += 1
        if window is not None and window.first < frame.tick <= window.first + WINDOW and frame.tick % STRIDE == 0:
            window.frames[frame.tick] = self._keep(frame.data)


def keep_actions(engine: Engine, players: list[Player]) -> None:
    """Every committed action goes into the window of its session, if that is open."""
    commit = engine.passes.commit

    def watched(proposals: list[Proposal]) -> list[Dreamed]:
        for proposal, player in itertools.product(proposals, players):
            window = player.window
            if player.session is not proposal.session or window is None or len(window.actions) == WINDOW:
                continue
            if proposal.dreamed.tick == window.first + len(window.actions) + 1:
                window.actions.append(proposal.action)
        return commit(proposals)

    engine.passes.commit = watched  # type: ignore[method-assign,assignment]


class Harm:
    """Kills or stops a worker now and then, sometimes all of them; sometimes before its replacement is ready."""

    def __init__(self, executor: SpreadExecutor, players: list[Player], chance: random.Random, every: float) -> None:
        self.windows: list[Window] = []
        self._players = itertools.cycle(players)
        self._executor, self._chance, self._every = executor, chance, every
        self._next = time.monotonic() + every / 2
        self.done: dict[str, int] = {"killed": 0, "stopped": 0}
        self.noticed: list[float] = []

    def look(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._chance.uniform(0.5, 1.5) * self._every
        self.windows.append(next(self._players).watch())
        there = self._executor.workers
        for worker in there if self._chance.random() < 0.2 else there[:1]:
            how, name = self._chance.choice([(signal.SIGKILL, "killed"), (signal.SIGSTOP, "stopped")])
            if worker.host.pid is None:
                continue
            os.kill(worker.host.pid, how)
            self.done[name] += 1
            began = time.monotonic()
            while worker.reason is None and time.monotonic() < began + 5:
                time.sleep(0.005)
            self.noticed.append(time.monotonic() - began)


def holdings() -> tuple[float, int, int]:
    """Resident MB, once freed pages are given back where the C library can, file descriptors and threads."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20, len(os.listdir("/proc/self/fd")), threading.active_count()


def unchanged(pixels: Pixels) -> bytes:
    return pixels.tobytes()


def soak(world: World, minutes: float, seed: int = 0, every: float = 15.0, kernels: str = "auto") -> dict[str, object]:
    """Plays; returns figures. Raises `AssertionError` for whatever must not be."""
    chance, before = random.Random(seed), holdings()
    engine = Engine(world, devices="cpu:3", plan=Layout(1, WORKERS), kernels=kernels)
    executor, file = engine.passes.executor, tempfile.TemporaryFile()  # noqa: SIM115 - closed below
    assert isinstance(executor, SpreadExecutor)
    session = engine.open_session()
    session.step(world.controls.idle())  # the first pass of a model is slow
    session.close()
    loop = GameLoop(engine, unchanged)
    loop.start()
    writing = threading.Lock()
    players = [Player(engine, loop, number, chance, file, writing) for number in range(PLAYERS)]
    keep_actions(engine, players)
    harm, began, sizes = Harm(executor, players, chance, every), time.monotonic(), list[float]()
    try:
        while (elapsed := time.monotonic() - began) < 60 * minutes:
            chance.choice(players).press()
            harm.look()
            time.sleep(chance.random() * 0.05)
            if elapsed > (WARM + 0.1 * len(sizes)) * 60 * minutes:
                sizes.append(holdings()[0])
        _until(lambda: len(executor.workers) == WORKERS, 90, "the last replacement is ready")
        sizes.append(holdings()[0])
        seen = [player.frames for player in players]
        _until(lambda: all(p.frames > n + 5 for p, n in zip(players, seen, strict=True)), 20, "everybody plays on")
    finally:
        loop.stop()
        engine.close()
    expect_play(players)
    assert sizes[-1] - sizes[0] < GROWTH_MB, f"memory grew: {[round(size) for size in sizes]} MB"
    checked, alike = check(world, harm.windows, file, kernels)
    file.close()
    after = holdings()
    assert after[1] <= before[1] + 2, f"file descriptors: {before[1]} before, {after[1]} after"
    assert after[2] <= before[2], f"threads: {before[2]} before, {after[2]} after"
    return {
        "world": world.manifest.name, "minutes": minutes, "players": PLAYERS, "path": engine.path,
        "frames": sum(player.frames for player in players), **harm.done,
        "noticed_s_worst": max(harm.noticed, default=0.0),
        "longest_silence_s": max(player.longest for player in players),
        "late": sum(player.handle.late for player in players), "frames_compared": checked, "bit_exact": alike,
        "rss_mb": [round(size, 1) for size in sizes], "files": {"before": before[1], "end": after[1]},
    }  # fmt: skip


def expect_play(players: list[Player]) -> None:
    """Nobody was lost, nothing came out of order, everybody was told."""
    lost = [player.handle.error for player in players if player.handle.error is not None]
    assert not lost, lost
    assert not any(player.out_of_order for player in players), "a frame was shown after a newer one"
    assert all(player.notices for player in players), "nobody was told"
    longest = max(player.longest for player in players)
    assert longest < LONGEST_SILENCE, f"a player saw nothing for {longest:.2f} s"


def check(world: World, windows: list[Window], file: BinaryIO, kernels: str) -> tuple[int, int]:
    """How many frames were compared with a twin's in one process, and how many of them are the same bit for bit."""
    engine, checked, alike = Engine(world, device="cpu", kernels=kernels), 0, 0
    torch.set_num_threads(1)  # as each of three processes on two or three cores; sums are split by threads
    width, height = world.frame_size
    for window in windows:
        place, length = window.state
        file.seek(place)
        twin = engine.restore_session(file.read(length))
        for action in window.actions:
            mine = twin.step(action)
            if mine.tick not in window.frames:
                continue
            file.seek(window.frames[mine.tick])
            shown = np.frombuffer(file.read(width * height * 3), np.uint8).reshape(height, width, 3)
            assert off(shown, mine.pixels) <= ROUNDING, f"tick {mine.tick} of player {window.seed} is not the twin's"
            checked, alike = checked + 1, alike + bool(np.array_equal(shown, mine.pixels))
        twin.close()
    assert checked, "no frame was compared; play longer"
    return checked, alike


def off(one: Pixels, other: Pixels) -> int:
    return int(np.abs(one.astype(int) - other).max())


def _until(true: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", type=float)
    parser.add_argument("world", nargs="?", default="racing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=float, default=15.0, help="seconds between two losses, in the mean")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    print(json.dumps(soak(World.load(options.world), options.minutes, options.seed, options.every), indent=2))


if __name__ == "__main__":
    main()
