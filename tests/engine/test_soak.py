"""Everything at once, for a while: players come and go, switch modes, reset, snapshot and restore; nothing grows."""

from __future__ import annotations

import gc
import random
import threading
import time
from pathlib import Path

import pytest
import torch

from dreamcade.engine import EncodedFrame, Engine, GameLoop, Handle
from dreamcade.world import World

WARM = 0.3
"""Of the time: memory is compared from then on."""
GROWTH_MB = 24.0
"""What an allocator may do; a leak of one frame (48×32×3) a tick would be 130 MB in ten minutes, a state more."""


class Player:
    """Plays at random; knows when its last frame came."""

    def __init__(self, engine: Engine, loop: GameLoop, state: bytes | None, chance: random.Random) -> None:
        self.chance = chance
        self.session = engine.restore_session(state) if state else engine.open_session(seed=chance.randrange(99))
        self.frames, self.sequence = 0, 0
        self.seen = threading.Event()
        self.handle: Handle = loop.attach(self.session, self._sink)

    def _sink(self, frame: EncodedFrame) -> None:
        self.frames += 1
        self.seen.set()
        if self.chance.random() < 0.01:
            time.sleep(0.05)  # a stall

    def expect_a_frame(self) -> None:
        self.seen.clear()
        assert self.seen.wait(20), f"no frame came any more; error: {self.handle.error!r}"
        assert self.handle.error is None

    def leave(self) -> None:
        self.handle.detach()
        self.session.close()

    def do_something(self) -> bytes | None:
        """Returns a snapshot where it took one."""
        chance, handle = self.chance, self.handle
        flip = chance.choice([True, False, None])
        match chance.randrange(14):
            case 0:
                handle.reset(seed=chance.randrange(99))
            case 1:
                handle.set_modes(speculation=flip, extrapolation=chance.choice([True, False, None]))
            case 2:
                handle.set_modes(in_between=flip)
            case 3:
                handle.set_modes(pipeline=flip)
            case 4:
                handle.pause()
                time.sleep(0.03)
                handle.resume()
            case 5:
                return self.session.snapshot()
            case 6:
                self.session.step([0, 1])
            case _:
                self.sequence += 1
                handle.input([chance.choice([-1, -0.5, 0, 1]), chance.choice([0, 1])], self.sequence, 0.0)
        return None


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def soak(world: World, seconds: float, seed: int = 0, kernels: str = "reference") -> tuple[float, int]:
    """Plays; returns by how many MB memory grew after warming up, and the number of frames."""
    chance = random.Random(seed)
    engine = Engine(world, device="cpu", dtype=torch.float32, kernels=kernels)
    loop = GameLoop(engine, lambda pixels: pixels.tobytes())
    loop.start()
    players = [Player(engine, loop, None, chance)]
    state: bytes | None = None
    began, before, frames = time.monotonic(), 0.0, 0
    try:
        while (elapsed := time.monotonic() - began) < seconds:
            state = chance.choice(players).do_something() or state
            time.sleep(chance.random() * 0.02)
            if chance.random() < 0.02:
                if len(players) < 3:
                    players.append(Player(engine, loop, state, chance))
                else:
                    leaving = players.pop(chance.randrange(3))
                    leaving.leave()
                    frames += leaving.frames
            if chance.random() < 0.05:
                players[0].expect_a_frame()
            if not before and elapsed > WARM * seconds:
                gc.collect()
                before = resident_mb()
        for player in players:
            player.expect_a_frame()
    finally:
        loop.stop()
    gc.collect()
    return resident_mb() - before, frames + sum(player.frames for player in players)


@pytest.mark.openvino
@pytest.mark.parametrize("kernels", ["reference", "openvino"])
def test_a_short_soak(swift_world: World, kernels: str) -> None:
    grown, frames = soak(swift_world, seconds=5, kernels=kernels)
    assert frames > 30
    assert grown < GROWTH_MB


@pytest.mark.long
@pytest.mark.openvino
@pytest.mark.parametrize("kernels", ["reference", "openvino"])
def test_ten_minutes(swift_world: World, kernels: str) -> None:
    grown, frames = soak(swift_world, seconds=600, kernels=kernels)
    print(f"{frames} frames, memory grew by {grown:.1f} MB")
    assert frames > 5000
    assert grown < GROWTH_MB
