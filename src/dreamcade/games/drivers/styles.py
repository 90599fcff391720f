"""What a driver may be doing for a few seconds: driving well in several ways, and the ways things go wrong.

A style is a generator of actions: it is sent nothing, reads the newest state from its `Seat`, and ends when it is
done. Following styles use the track; upsets press the controls blindly, and the recovery is whatever follows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from dreamcade.core.types import ActionVector
from dreamcade.games.drivers.following import Goal, follow
from dreamcade.games.drivers.hands import Hands, KeyHands, SmoothHands, action
from dreamcade.games.track import Track

TICK_RATE = 25
HALF_ROAD = 6.6


@dataclass(slots=True)
class Seat:
    """What a style sees and shares with the next one."""

    track: Track
    rng: np.random.Generator
    state: Mapping[str, float] = field(default_factory=dict)
    way: int = 1

    def ticks(self, shortest: float, longest: float) -> int:
        """A random number of ticks between two durations in seconds."""
        return round(TICK_RATE * float(self.rng.uniform(shortest, longest)))

    def side(self) -> float:
        """Left or right, −1 or 1."""
        return float(self.rng.choice((-1.0, 1.0)))


Style = Callable[[Seat], Iterator[ActionVector]]


def _pursue(seat: Seat, hands: Hands, goal: Goal, ticks: int) -> Iterator[ActionVector]:
    for _ in range(ticks):
        yield hands.move(seat.state, follow(seat.track, seat.state, goal))


def _drive(seat: Seat, hands: Hands, low: float, high: float, grip: float) -> Iterator[ActionVector]:
    """Along the road, changing lane and pace now and then."""
    left = seat.ticks(2.0, 6.0)
    while left > 0:
        offset = float(np.clip(seat.rng.normal(0.0, 2.6), -5.0, 5.0))
        goal = Goal(float(seat.rng.uniform(low, high)), offset, seat.way, float(seat.rng.uniform(0.2, 0.45)), grip)
        part = min(left, seat.ticks(0.7, 2.5))
        left -= part
        yield from _pursue(seat, hands, goal, part)


def cruise(seat: Seat) -> Iterator[ActionVector]:
    yield from _drive(seat, SmoothHands(seat.rng), 20.0, 55.0, float(seat.rng.uniform(45.0, 90.0)))


def race(seat: Seat) -> Iterator[ActionVector]:
    yield from _drive(seat, SmoothHands(seat.rng), 55.0, 80.0, float(seat.rng.uniform(85.0, 130.0)))


def keys(seat: Seat) -> Iterator[ActionVector]:
    yield from _drive(seat, KeyHands(seat.rng), 20.0, 48.0, float(seat.rng.uniform(40.0, 80.0)))


def keys_fast(seat: Seat) -> Iterator[ActionVector]:
    yield from _drive(seat, KeyHands(seat.rng), 45.0, 68.0, float(seat.rng.uniform(60.0, 90.0)))


def weave(seat: Seat) -> Iterator[ActionVector]:
    """From kerb to kerb on purpose: the wheel turns on straights as well."""
    hands: Hands = SmoothHands(seat.rng) if seat.rng.random() < 0.6 else KeyHands(seat.rng)
    side, speed = seat.side(), float(seat.rng.uniform(22.0, 50.0))
    for _ in range(int(seat.rng.integers(3, 7))):
        side = -side
        goal = Goal(speed, side * float(seat.rng.uniform(2.5, 5.5)), seat.way, 0.15)
        yield from _pursue(seat, hands, goal, seat.ticks(0.5, 1.1))


def excursion(seat: Seat) -> Iterator[ActionVector]:
    """Off the road, along it on the grass for a while; the next style comes back."""
    hands: Hands = SmoothHands(seat.rng) if seat.rng.random() < 0.5 else KeyHands(seat.rng)
    offset = seat.side() * float(seat.rng.uniform(10.0, 18.0))
    goal = Goal(float(seat.rng.uniform(18.0, 40.0)), offset, seat.way)
    yield from _pursue(seat, hands, goal, seat.ticks(1.5, 3.0))


def meadow(seat: Seat) -> Iterator[ActionVector]:
    """A long stretch on the grass, farther out."""
    offset = seat.side() * float(seat.rng.uniform(18.0, 32.0))
    goal = Goal(float(seat.rng.uniform(25.0, 40.0)), offset, seat.way)
    yield from _pursue(seat, SmoothHands(seat.rng), goal, seat.ticks(2.5, 5.0))


def shortcut(seat: Seat) -> Iterator[ActionVector]:
    """Aims far ahead, so that bends are cut across the grass."""
    goal = Goal(float(seat.rng.uniform(25.0, 45.0)), 0.0, seat.way, float(seat.rng.uniform(1.0, 1.8)), 120.0)
    yield from _pursue(seat, SmoothHands(seat.rng), goal, seat.ticks(1.5, 3.0))


def stop(seat: Seat) -> Iterator[ActionVector]:
    """Brakes to a stand, stays (sometimes turning the wheel), and leaves with the next style."""
    brake = float(seat.rng.choice((0.4, 0.8, 1.0)))
    for _ in range(2 * TICK_RATE):
        if seat.state["speed"] < 0.5:
            break
        intent = follow(seat.track, seat.state, Goal(20.0, 0.0, seat.way))
        yield action(-intent.wheel_angle, 0.0, brake)
    held = brake if seat.rng.random() < 0.5 else 0.0
    wheel = seat.side() if seat.rng.random() < 0.4 else 0.0
    wait = seat.ticks(0.5, 2.0)
    for tick in range(wait):
        yield action(wheel if tick % 16 < 8 else 0.0, 0.0, held)


def hard_brake(seat: Seat) -> Iterator[ActionVector]:
    brake, wheel = float(seat.rng.choice((0.3, 0.6, 1.0))), float(seat.rng.choice((0.0, 0.0, -0.15, 0.15, -1.0, 1.0)))
    for _ in range(seat.ticks(0.3, 0.9)):
        yield action(wheel, 0.0, brake)


def reverse_wheel(seat: Seat) -> Iterator[ActionVector]:
    """The wheel from one side to the other, at whatever speed the car has."""
    side, amplitude = seat.side(), float(seat.rng.choice((0.15, 0.3, 1.0)))
    gas = float(seat.rng.choice((0.0, 0.15, 0.4))) if seat.state["speed"] < 45 else 0.0
    period = int(seat.rng.integers(3, 8))
    for _ in range(int(seat.rng.integers(3, 6))):
        side = -side
        for _ in range(period):
            yield action(side * amplitude, gas, 0.0)


def taps(seat: Seat) -> Iterator[ActionVector]:
    """Keys pressed without any plan, a few ticks each."""
    left = seat.ticks(0.8, 2.0)
    chances = (0.4, 0.2, 0.4) if seat.state["speed"] > 40 else (0.4, 0.4, 0.2)
    while left > 0:
        hold = int(seat.rng.integers(2, 6))
        left -= hold
        wheel = float(seat.rng.choice((-1.0, 0.0, 1.0), p=(0.3, 0.4, 0.3)))
        gas, brake = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))[int(seat.rng.choice(3, p=chances))]
        for _ in range(hold):
            yield action(wheel, gas, brake)


def held(seat: Seat) -> Iterator[ActionVector]:
    """One steering key held down, with gas, without, or on the brake."""
    side, fast = seat.side(), seat.state["speed"] > 35
    pedals = ((0.0, 0.0), (1.0, 0.0), (0.3, 0.0), (0.0, 0.8), (0.0, 1.0))
    gas, brake = pedals[int(seat.rng.choice(5, p=(0.4, 0.05, 0.15, 0.2, 0.2) if fast else (0.25, 0.3, 0.3, 0.1, 0.05)))]
    for _ in range(seat.ticks(0.3, 0.6 if fast else 1.2)):
        yield action(side, gas, brake)


def coast(seat: Seat) -> Iterator[ActionVector]:
    """Hands off."""
    for _ in range(seat.ticks(0.6, 1.8)):
        yield action(0.0, 0.0, 0.0)


def straight_gas(seat: Seat) -> Iterator[ActionVector]:
    """Gas held and nothing else, as a beginner does."""
    gas = float(seat.rng.choice((0.5, 1.0)))
    for _ in range(seat.ticks(0.5, 1.4)):
        if seat.track.sharpest(int(seat.state["track_index"]), 0.0, 35.0, seat.way) > 0.05:
            return
        yield action(0.0, gas, 0.0)


def slide(seat: Seat) -> Iterator[ActionVector]:
    """Power and full lock until the tail hangs out, then let go: skid marks, and a catch by the next style."""
    side = seat.side()
    for _ in range(seat.ticks(0.3, 0.7)):
        if abs(seat.state["slip_angle"]) > 0.5:
            break
        yield action(side, 1.0, 0.0)
    for _ in range(4):
        yield action(0.0, 0.0, 0.0)


def u_turn(seat: Seat) -> Iterator[ActionVector]:
    """Slows down, turns round and drives the wrong way for a few seconds; then back."""
    seat.way = -seat.way
    hands: Hands = SmoothHands(seat.rng) if seat.rng.random() < 0.5 else KeyHands(seat.rng)
    for _ in range(3 * TICK_RATE):
        if abs(math.remainder(seat.state["heading_error"] - (0.0 if seat.way == 1 else math.pi), 2 * math.pi)) < 0.5:
            break
        yield from _pursue(seat, hands, Goal(16.0, 0.0, seat.way), 1)


GOOD: dict[Style, float] = {cruise: 0.30, race: 0.24, keys: 0.20, keys_fast: 0.16, weave: 0.10}
UPSETS: dict[Style, float] = {
    excursion: 0.14, meadow: 0.07, shortcut: 0.07, stop: 0.09, hard_brake: 0.08, reverse_wheel: 0.1, taps: 0.11,
    held: 0.16, coast: 0.07, straight_gas: 0.06, slide: 0.08, u_turn: 0.04,
}  # fmt: skip
