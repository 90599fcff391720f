"""What a game loop's own thread does for its players, without any network: and how much of that is the predictor's.

    OMP_NUM_THREADS=1 python benches/many_players.py racing --players 1 8 64 256 1000

Sessions of a world whose passes cost nothing take ticks by the loop's own director, with hands on keys, and drafts for
everybody's likeliest action. Milliseconds are the thread's own processor time for one tick of all players, medians:
`tell` what the predictor hears of it, `guess` what it then names, `noise` the random numbers of the passes, `rest` all
else that the loop does for a tick and for planning drafts, with as many of them as there are players.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamcade.engine import Engine, GameLoop, Handle
from dreamcade.evaluation.simulation.hands import Habits, Hand
from dreamcade.world import World

WARM_UP = 5
"""Ticks that are not counted."""


class Still:
    """Dynamics that cost nothing: every next latent is zero."""

    def __init__(self, engine: Engine) -> None:
        self.noise_shape = engine.passes.dynamics.noise_shape
        self._latent = torch.zeros(engine.world.codec.config.latent_shape)

    def context(self, *of: Any) -> None:
        """Nothing is remembered."""

    def commit(self, *what: Any) -> None:
        """Nothing is kept."""

    def sample(self, context: None, noise: Tensor, go_on: Callable[[], bool] | None = None) -> Tensor:
        """Tokens `[B, L, D]`."""
        return torch.zeros_like(noise[0])

    def to_latents(self, tokens: Tensor) -> Tensor:
        """Latents `[B, c, h, w]`."""
        return self._latent.expand(len(tokens), *self._latent.shape)


class Stopwatches:
    """Seconds of processor time of this thread, by name, since they were last read."""

    def __init__(self) -> None:
        self._seconds = defaultdict[str, float](float)

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, timed."""

        def timed(*given: Any, **named: Any) -> Any:
            begun = time.thread_time()
            try:
                return function(*given, **named)
            finally:
                self._seconds[name] += time.thread_time() - begun

        return timed

    def read(self) -> dict[str, float]:
        """And begins anew."""
        seconds, self._seconds = dict(self._seconds), defaultdict(float)
        return seconds


def attached(engine: Engine, loop: GameLoop, players: int) -> list[Handle]:
    """So many plays of one loop that is not started; every session has a seed of its own."""
    state = engine.open_session(seed=0).snapshot()
    sessions = [engine.restore_session(state) for _ in range(players)]
    for seed, session in enumerate(sessions):
        session.seed = seed
    return [loop.attach(session, lambda frame: None) for session in sessions]


def press(handles: list[Handle], hands: list[Hand], coming: list[float], now: float, random: Random) -> None:
    """Hands on keys: those whose moment has come press or let go of one."""
    for number, handle in enumerate(handles):
        if coming[number] <= now:
            action = handle.used.action.copy()
            action[random.randrange(len(action))] = random.choice((-1.0, 0.0, 1.0))
            handle.input(action.clip(*handle.session.engine.world.controls.bounds()), int(now * 1e3), 0.0)
            coming[number], _ = hands[number].next()


def ticks(world: World, players: int, count: int) -> Iterator[dict[str, float]]:
    """Milliseconds of each part, tick by tick."""
    engine = Engine(world, device="cpu", dtype=torch.float32)
    loop = GameLoop(engine, lambda pixels: b"", pipeline=False)
    handles = attached(engine, loop, players)
    engine.passes.dynamics = engine.passes.executor = Still(engine)  # type: ignore[assignment]
    director, watches, random = loop._director, Stopwatches(), Random(0)
    expectations = director._expectations
    engine.passes.noise.draw = watches.around("noise", engine.passes.noise.draw)  # type: ignore[method-assign]
    director.idle.breadth = lambda sessions: 1  # type: ignore[method-assign]
    expectations.tell = watches.around("tell", expectations.tell)  # type: ignore[method-assign]
    expectations.guesses = watches.around("guess", expectations.guesses)  # type: ignore[method-assign]
    hands = [Hand(Habits(), Random(number), 0.0) for number in range(players)]
    coming = [hand.next()[0] for hand in hands]
    for tick in range(WARM_UP + count):
        press(handles, hands, coming, tick / world.tick_rate, random)
        begun = time.thread_time()
        director.tick(handles, time.perf_counter())
        director.draft(director.unplanned(handles), lambda planned: True)
        whole = time.thread_time() - begun
        parts = watches.read()
        if tick >= WARM_UP:
            rest = whole - sum(parts.values())
            yield {name: 1e3 * s for name, s in {**parts, "rest": rest, "whole": whole}.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world")
    parser.add_argument("--players", nargs="+", type=int, default=[1, 8, 64, 256, 1000])
    parser.add_argument("--ticks", type=int, default=20)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    world, found = World.load(args.world), []
    names = ("tell", "guess", "noise", "rest", "whole")
    print(f"{'players':>7} | " + " | ".join(f"{name:>8}" for name in names) + " | predictor's share, µs a player")
    for players in args.players:
        measured = list(ticks(world, players, args.ticks))
        median = {name: float(np.median([tick.get(name, 0.0) for tick in measured])) for name in names}
        found.append({"players": players, **median})
        predictor = median["tell"] + median["guess"]
        cells = " | ".join(f"{median[name]:8.2f}" for name in names)
        print(
            f"{players:7} | {cells} | {predictor / median['whole']:17.0%}, {1e3 * predictor / players:.0f}", flush=True
        )
    if args.json:
        args.json.write_text(json.dumps({"world": args.world, "milliseconds": found}, indent=2))


if __name__ == "__main__":
    main()
