"""Does the simulator tell the truth? The same hands on real engines and on simulated ones.

    python benches/simulated_against_real.py racing --seconds 10 --devices cpu cpu:2 cpu:3 --sessions 1 2 4 8

For every case a real game loop plays twice, each time by other hands: first the stages are timed as they are played,
then a player's frames and latencies; a simulated replica plays with those times. A last column says by how much the
simulated frames a second are off; the target is 15 %. Keep the machine quiet: what else it does meets only one of them.

`--devices stand-in` plays with stages that sleep for times that are known: then the loop, its threads, its clock and
its drafts are compared, on a machine that may be busy.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from dreamcade.core.types import ActionVector, Pixels
from dreamcade.dynamics import Abandoned
from dreamcade.engine import EncodedFrame, Engine, GameLoop
from dreamcade.engine.expectations import LEAST_CHANCE
from dreamcade.engine.foresight import Foresight
from dreamcade.evaluation.machine import machine_name
from dreamcade.evaluation.simulation.durations import Means, Measured, Modelled
from dreamcade.evaluation.simulation.hands import NEVER, Foreseen, Habits, Hand
from dreamcade.evaluation.simulation.playing import Audience, Window, simulate
from dreamcade.evaluation.simulation.service import Service
from dreamcade.server.encoding import encode_jpeg
from dreamcade.world import World

WARM_UP = 2.0
TARGET = 0.15
DRAFTS = 4
STAND_IN = "stand-in"
Encode = Callable[[Pixels], bytes]
PASS, EACH, DRAWING, ENCODING = 0.010, 0.003, 0.008, 0.001
"""Seconds of the stand-ins: a pass, every frame more in it, a frame's drawing, its encoding."""


class StandIn:
    """An executor whose stages sleep; its frames are black."""

    name, lanes = "stand-in", 1

    def __init__(self, engine: Engine) -> None:
        own = engine.passes.executor
        self.storage, self.kernels, self._size = own.storage, own.kernels, engine.world.frame_size
        self._blocks = engine.sampling_steps * len(engine.world.dynamics.transformer.blocks)

    def sample(self, context: object, noise: torch.Tensor, go_on: Callable[[], bool] | None = None) -> torch.Tensor:
        begun, seconds = time.perf_counter(), PASS + EACH * (noise.shape[1] - 1)
        for block in range(1, self._blocks + 1):
            if go_on is not None and not go_on():
                raise Abandoned
            time.sleep(max(0.0, begun + seconds * block / self._blocks - time.perf_counter()))
        return torch.zeros_like(noise[0])

    def draw(self, latents: torch.Tensor) -> torch.Tensor:
        time.sleep(DRAWING * len(latents))
        width, height = self._size
        return torch.zeros(len(latents), height, width, 3, dtype=torch.uint8)

    def close(self) -> None:
        """There is nothing to end."""


def encode_standing_in(pixels: Pixels) -> bytes:
    time.sleep(ENCODING)
    return b""


class Keys:
    """A hand on keys: each change presses or releases one of them."""

    def __init__(self, world: World, habits: Habits, number: int, begins: float) -> None:
        self._controls, self._random = world.controls, Random(f"keys {number}")
        self._hand = Hand(habits, Random(f"hand {number}"), begins)
        self.action: ActionVector = world.controls.idle()

    def next(self) -> tuple[float, bool]:
        """When it presses next, and whether that changes anything; `action` holds from then on."""
        moment, changed = self._hand.next()
        if changed:
            self.action = self.action.copy()
            place = self._random.randrange(self._controls.size)
            low, high = (float(bound[place]) for bound in self._controls.bounds())
            others = [value for value in {low, 0.0, high} if value != self.action[place]]
            self.action[place] = self._random.choice(sorted(others))
        return moment, changed


def foreseen(engine: Engine, habits: Habits, seconds: float = 80.0) -> Foreseen:
    """How often the world's predictor names what such a hand does next, tick by tick; of other hands than those that
    play."""
    if engine.world.predictor is None:
        return NEVER
    foresight, period = Foresight(engine.world.predictor), 1 / engine.world.tick_rate
    foresight.begin([0], np.zeros((1, 0, engine.world.controls.size), np.float32))
    keys = Keys(engine.world, habits, -1, 0.0)
    counts = {changed: np.zeros(DRAFTS) for changed in (False, True)}
    ticks = {False: 0, True: 0}
    last = in_force = engine.snap(keys.action)
    moment, _ = keys.next()
    for tick in range(int(seconds / period)):
        named = [tuple(action.tolist()) for action in foresight.likeliest([0], DRAFTS, LEAST_CHANCE)[0]]
        while moment <= tick * period:
            in_force = engine.snap(keys.action)
            moment, _ = keys.next()
        changed, key = bool((in_force != last).any()), tuple(in_force.tolist())
        if tick:
            ticks[changed] += 1
            counts[changed] += [key in named[: k + 1] for k in range(DRAFTS)]
        foresight.tell([0], in_force[None])
        last = in_force
    same, change = (tuple((counts[c] / max(1, ticks[c])).tolist()) for c in (False, True))
    return Foreseen(same, change)


class Stopwatches:
    """Seconds of an engine's stages while it plays: passes by batch (drafts that were given up left out), drawing by
    the frames of each decoder (only where one was free: waiting is the simulator's to find), encoding, telling."""

    def __init__(self, engine: Engine, decoders: int, encode: Encode) -> None:
        self.passes, self.drawings = defaultdict[int, list[float]](list), defaultdict[int, list[float]](list)
        self.encodings = list[float]()
        self._engine, self._decoders, self._encode, self._drawing = engine, decoders, encode, 0

    def __enter__(self) -> Stopwatches:
        self._propose, self._commit, self._draw = self._engine.propose, self._engine.commit, self._engine.draw
        self._engine.propose, self._engine.draw = self.propose, self.draw  # type: ignore[method-assign]
        return self

    def __exit__(self, *error: object) -> None:
        self._engine.propose, self._engine.draw = self._propose, self._draw  # type: ignore[method-assign]

    def propose(self, asked: Any, go_on: Any = None) -> Any:
        begun = time.perf_counter()
        proposals = self._propose(asked, go_on)
        self.passes[len(asked)].append(time.perf_counter() - begun)
        return proposals

    def draw(self, dreamed: Any) -> Any:
        begun, free = time.perf_counter(), self._drawing < self._decoders
        self._drawing += 1
        try:
            frames = self._draw(dreamed)
        finally:
            self._drawing -= 1
        if free and (len(dreamed) == 1 or not self._drawing):
            self.drawings[-(-len(dreamed) // self._decoders)].append(time.perf_counter() - begun)
        return frames

    def encode(self, pixels: Pixels) -> bytes:
        begun = time.perf_counter()
        data = self._encode(pixels)
        self.encodings.append(time.perf_counter() - begun)
        return data


def rehearse(
    engine: Engine, sessions: int, seconds: float, paced: bool, habits: Habits, encode: Encode
) -> dict[str, Any]:
    """Stage times of a play by other hands."""
    decoders = max(1, engine.layout.pipeline_devices - 1)
    with Stopwatches(engine, decoders, encode) as watches:
        play(engine, sessions, seconds, paced, habits, watches.encode, first=100)
    kept = {name: {b: t[1:] if len(t) > 1 else t for b, t in times.items()}
            for name, times in (("dynamics", watches.passes), ("decode", watches.drawings))}  # fmt: skip
    return {**kept, "encode": watches.encodings[1:], "telling": telling(engine, sessions)}


def telling(engine: Engine, sessions: int) -> dict[int, float]:
    """Seconds for which the predictor of so many players, and of one, keeps the loop."""
    if engine.world.predictor is None:
        return {sessions: 0.0}
    foresight, held = Foresight(engine.world.predictor), engine.snap(engine.world.controls.idle())
    foresight.begin(range(sessions), np.zeros((sessions, 0, len(held)), np.float32))
    engine.share_cores()  # as in the loop
    found = {}
    for players in {1, sessions}:
        seconds, actions = [], np.repeat(held[None], players, 0)
        for _ in range(30):
            begun = time.perf_counter()
            foresight.tell(range(players), actions)
            foresight.likeliest(range(players), DRAFTS, LEAST_CHANCE)
            seconds.append(time.perf_counter() - begun)
        found[players] = float(np.median(seconds))
    engine.use_all_cores()
    return found


class Player:
    """Keeps what a real player would notice."""

    def __init__(self) -> None:
        self.shown: list[float] = []
        self.pressed: deque[tuple[int, float]] = deque()
        self.latencies: list[tuple[float, float]] = []
        self.newest: EncodedFrame | None = None
        self.before: EncodedFrame | None = None

    def __call__(self, frame: EncodedFrame) -> None:
        now = time.perf_counter()
        self.newest = frame
        self.shown.append(now)
        while self.pressed and self.pressed[0][0] <= frame.sequence:
            _, moment = self.pressed.popleft()
            self.latencies.append((moment, now - moment))


def play(
    engine: Engine, sessions: int, seconds: float, paced: bool, habits: Habits, encode: Encode, first: int = 0
) -> dict[str, float]:
    """Really: so many sessions of one engine in one game loop; `first` numbers their hands."""
    players = [Player() for _ in range(sessions)]
    opened = [engine.open_session(seed=n) for n in range(sessions)]
    loop = GameLoop(engine, encode, paced=paced)
    loop.start()
    try:
        handles = [loop.attach(session, player) for session, player in zip(opened, players, strict=True)]
        began = time.perf_counter()
        hands = [Keys(engine.world, habits, first + number, began) for number in range(sessions)]
        coming = [(*hand.next(), number, 1) for number, hand in enumerate(hands)]
        heapq.heapify(coming)
        measured = False
        while coming[0][0] < began + WARM_UP + seconds:
            if not measured and coming[0][0] >= began + WARM_UP:
                measured = True
                for player in players:
                    player.before = player.newest
            moment, changed, number, sequence = heapq.heappop(coming)
            time.sleep(max(0.0, moment - time.perf_counter()))
            if changed:
                players[number].pressed.append((sequence, time.perf_counter()))
            handles[number].input(hands[number].action, sequence, 0.0)
            heapq.heappush(coming, (*hands[number].next(), number, sequence + 1))
        time.sleep(0.3)
    finally:
        loop.stop()
        for session in opened:
            session.close()
    return _figures(players, began + WARM_UP, seconds)


def _figures(players: Sequence[Player], begin: float, seconds: float) -> dict[str, float]:
    end = begin + seconds
    rates = [sum(begin <= moment < end for moment in player.shown) / seconds for player in players]
    latencies = [1e3 * took for player in players for moment, took in player.latencies if begin <= moment < end]
    late = drafted = missed = ticks = 0
    for player in players:
        assert player.newest is not None and player.before is not None, "a player saw nothing"
        late += player.newest.late - player.before.late
        old, new = player.before.tally, player.newest.tally
        drafted, missed = drafted + new.drafted - old.drafted, missed + new.missed - old.missed
        ticks += new.computed + new.extrapolated - old.computed - old.extrapolated
    p50, p95, p99 = np.percentile(latencies, (50, 95, 99))
    return {
        "fps": float(np.mean(rates)), "fps_p5": float(np.percentile(rates, 5)),
        "misses": late / max(1.0, late + sum(rates) * seconds), "latency_p50": float(p50), "latency_p95": float(p95),
        "latency_p99": float(p99), "hit_rate": drafted / max(1, drafted + missed), "delivered": drafted / max(1, ticks),
    }  # fmt: skip


def service_of(engine: Engine, times: dict[str, Any], decoders: int, paced: bool) -> Service:
    """The simulator's replica of a real engine."""
    dynamics, decode = Measured(times["dynamics"]), Measured(times["decode"])
    return Service(
        engine.world.tick_rate, dynamics, decode, Measured({1: times["encode"]}), decoders=decoders,
        lanes=engine.lanes, encoding_threads=engine.encoding_threads,
        own_work=Modelled(Means(times["telling"])), paced=paced, speculation=engine.world.predictor is not None,
        blocks=engine.sampling_steps * len(engine.world.dynamics.transformer.blocks),
    )  # fmt: skip


@contextlib.contextmanager
def engine_of(world: World, devices: str) -> Iterator[Engine]:
    """On this process's processor, or spread over so many processes."""
    with Engine(world, devices=devices) if ":" in devices else Engine(world, "cpu") as engine:
        if devices == STAND_IN:
            engine.passes.executor = StandIn(engine)
        yield engine


NAMES = ("fps", "misses", "latency_p50", "latency_p95", "latency_p99", "hit_rate", "delivered")


def compare(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One case after the other, real and simulated."""
    world, habits = World.load(args.world), Habits(changes=args.changes)
    for devices in args.devices:
        with engine_of(world, devices) as engine:
            decoders = max(1, engine.layout.pipeline_devices - 1)
            chances = foreseen(engine, habits)
            for paced in (True, False):
                for sessions in args.sessions if paced else args.sessions[:1]:
                    encode = encode_standing_in if devices == STAND_IN else encode_jpeg
                    asked = (engine, sessions, args.seconds, paced, habits, encode)
                    times = rehearse(*asked)
                    real = play(*asked)
                    service = service_of(engine, times, decoders, paced)
                    window = Window(max(20.0, args.seconds), WARM_UP, args.seed)
                    simulated = simulate(service, sessions, 1, Audience(habits, chances), window).figures.to_json()
                    yield {
                        "devices": devices, "path": engine.path, "sessions": sessions, "paced": paced,
                        "real": real, "simulated": {name: simulated[name] for name in (*NAMES, "fps_p5")},
                        "means_ms": {
                            stage: {b: 1e3 * float(np.mean(t)) for b, t in times[stage].items()}
                            for stage in ("dynamics", "decode")
                        },
                        "telling_ms": 1e3 * times["telling"][sessions],
                        "encode_ms": 1e3 * float(np.mean(times["encode"])),
                        "foreseen": {"same": chances.same, "change": chances.change},
                        "fps_error": simulated["fps"] / real["fps"] - 1,
                    }  # fmt: skip


def line_of(case: dict[str, Any]) -> str:
    def pair(name: str) -> str:
        real, simulated = case["real"][name], case["simulated"][name]
        if name in ("misses", "hit_rate", "delivered"):
            return f"{real:6.1%} {'–' if simulated is None else format(simulated, '.1%'):>6}"
        return f"{real:6.1f} {simulated:6.1f}"

    pace = "paced" if case["paced"] else "free"
    cells = " | ".join(pair(name) for name in NAMES)
    return f"{case['devices']:>6} {case['sessions']:>3} {pace:>5} | {cells} | {case['fps_error']:+6.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world")
    parser.add_argument("--devices", nargs="+", default=["cpu", "cpu:2", "cpu:3", "cpu:4"])
    parser.add_argument("--sessions", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--changes", type=float, default=3.75)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    print(f"{'':>16} | " + " | ".join(f"{name:^13}" for name in NAMES) + " | FPS off", flush=True)
    print(f"{'':>16} | " + " | ".join(f"{'real':>6} {'sim.':>6}" for _ in NAMES), flush=True)
    cases = []
    for case in compare(args):
        cases.append(case)
        print(line_of(case), flush=True)
        if args.json:
            found = {"world": args.world, "machine": machine_name(torch.device("cpu")), "cases": cases}
            args.json.write_text(json.dumps(found, indent=2))
    off = [abs(case["fps_error"]) for case in cases]
    near = sum(error <= TARGET for error in off)
    print(f"frames a second: {near} of {len(off)} within {TARGET:.0%}, worst {max(off):.0%}")


if __name__ == "__main__":
    main()
