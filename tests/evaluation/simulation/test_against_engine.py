"""A real game loop whose stages sleep for known times, beside the simulated one: threads, clock and all.

The bench `benches/simulated_against_real.py` does the same with real networks and more figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

import pytest
import torch

from dreamcade.core.types import Pixels
from dreamcade.engine import EncodedFrame, Engine, GameLoop
from dreamcade.evaluation.simulation.durations import constant
from dreamcade.evaluation.simulation.hands import NEVER, Habits, Hand
from dreamcade.evaluation.simulation.playing import Audience, Window, simulate
from dreamcade.evaluation.simulation.service import Service
from dreamcade.world import World

HABITS, SECONDS, WARM_UP, TRIES = Habits(), 1.5, 0.4, 8


class Nap:
    """Sleeps, and knows by how much too long in the mean: a busy machine wakes sleepers late."""

    def __init__(self) -> None:
        self._wanted = self._slept = 0.0

    def take(self, seconds: float) -> None:
        began = time.perf_counter()
        time.sleep(seconds)
        self._wanted += seconds
        self._slept += time.perf_counter() - began

    @property
    def stretch(self) -> float:
        return self._slept / self._wanted if self._wanted else 1.0


class Sleeper:
    """An executor whose stages take so long, and compute nothing."""

    name, lanes = "sleeper", 1

    def __init__(self, engine: Engine, passing: float, each: float, drawing: float) -> None:
        own = engine.passes.executor
        self.storage, self.kernels, self.size = own.storage, own.kernels, engine.world.frame_size
        self.passing, self.each, self.drawing = passing, each, drawing
        self.passes, self.pictures = Nap(), Nap()

    def sample(self, context: object, noise: torch.Tensor, go_on: Callable[[], bool] | None = None) -> torch.Tensor:
        self.passes.take(self.passing + self.each * (noise.shape[1] - 1))
        return torch.zeros_like(noise[0])

    def draw(self, latents: torch.Tensor) -> torch.Tensor:
        self.pictures.take(self.drawing * len(latents))
        return torch.zeros(len(latents), self.size[1], self.size[0], 3, dtype=torch.uint8)


def really(
    world: World, sessions: int, paced: bool, times: tuple[float, float, float], encoding: float
) -> tuple[float, tuple[float, float, float]]:
    """Frames a second of each player, and by how much passes, pictures and encoding were stretched."""
    encodings = Nap()

    def encode(pixels: Pixels) -> bytes:
        encodings.take(encoding)
        return b""

    engine = Engine(world, device="cpu", dtype=torch.float32)
    sleeper = engine.passes.executor = Sleeper(engine, *times)
    shown = list[float]()
    loop = GameLoop(engine, encode, paced=paced)

    def sink(frame: EncodedFrame) -> None:
        shown.append(time.perf_counter())

    loop.start()
    try:
        began = time.perf_counter()
        handles = [loop.attach(engine.open_session(seed=n), sink) for n in range(sessions)]
        hand, sequence = Hand(HABITS, Random(0), began), 0
        while (coming := hand.next())[0] < began + WARM_UP + SECONDS:
            time.sleep(max(0.0, coming[0] - time.perf_counter()))
            sequence += 1
            for handle in handles:
                handle.input(world.controls.idle(), sequence, 0.0)
        time.sleep(max(0.0, began + WARM_UP + SECONDS - time.perf_counter()))
    finally:
        loop.stop()
    begin = began + WARM_UP
    fps = sum(begin <= moment < begin + SECONDS for moment in shown) / SECONDS / sessions
    return fps, (sleeper.passes.stretch, sleeper.pictures.stretch, encodings.stretch)


@pytest.mark.parametrize(
    ("sessions", "paced", "times", "encoding", "threads"),
    [
        (1, True, (0.008, 0.002, 0.006), 0.0, 1),
        (1, True, (0.012, 0.002, 0.035), 0.0, 1),
        (3, True, (0.030, 0.005, 0.004), 0.0, 1),
        (1, False, (0.015, 0.005, 0.025), 0.0, 1),
        (4, True, (0.004, 0.001, 0.001), 0.016, 2),
    ],
)
def test_frames_a_second_are_those_of_a_real_loop(
    tiny_world: World, sessions: int, paced: bool, times: tuple[float, float, float], encoding: float, threads: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(Engine, "encoding_threads", threads)
    passing, each, drawing = times
    for _ in range(TRIES):  # threads that wake each other late are no part of the model
        real, (passes, pictures, encodings) = really(tiny_world, sessions, paced, times, encoding)
        served = Service(
            tiny_world.tick_rate, constant(passing * passes, each * passes), constant(drawing * pictures),
            constant(encoding * encodings), encoding_threads=threads, paced=paced, speculation=False,
        )  # fmt: skip
        simulated = simulate(served, sessions, 1, Audience(HABITS, NEVER), Window(10.0, 1.0)).figures.fps
        if simulated == pytest.approx(real, rel=0.1):
            break
    assert simulated == pytest.approx(real, rel=0.15)
