"""The scripted player of Doom's maps: walks everywhere, looks around, opens doors, shoots what moves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.games.doom.floorplan import Place
from dreamcade.games.doom.game import TICS_PER_TICK, TURN_SPEED, DoomGame

MONSTERS = (
    "Zombieman", "ShotgunGuy", "ChaingunGuy", "DoomImp", "Demon", "Spectre", "LostSoul", "Cacodemon", "HellKnight",
    "BaronOfHell", "Arachnotron", "PainElemental", "Revenant", "Fatso", "Archvile",
)  # fmt: skip
TURN_A_TICK = math.radians(TURN_SPEED * TICS_PER_TICK)
VIEW_HALF = math.radians(45)
WANDERING = ((0.3, 0.4, 0.3), (0.2, 0.3, 0.5), (0.2, 0.6, 0.2))
"""How likely −1, 0 and 1 are for turn, move and strafe."""
Style = Callable[["PatrolDriver"], Iterator[ActionVector]]


def action(
    turn: float = 0.0, move: float = 0.0, strafe: float = 0.0, attack: bool = False, use: bool = False
) -> ActionVector:
    """float32 `[5]`, in the order of the game's controls; `turn` is to the right."""
    return np.array([turn, move, strafe, float(attack), float(use)], np.float32).clip(-1, 1)


class PatrolDriver:
    """Plays one map of Doom's. Starts anywhere on it; one time in eight at its beginning."""

    def __init__(self, game: DoomGame) -> None:
        self.game = game
        self.rng = np.random.default_rng(0)
        self.state: Mapping[str, float] = {}
        self._moves: Iterator[ActionVector] = iter(())
        self._style = ""
        self._began = False

    @property
    def style(self) -> str:
        return self._style

    def reset(self, seed: int) -> Pixels | None:
        self.rng = np.random.default_rng([seed, 0xD4])
        self._moves, self._style, self._began = iter(()), "", True
        if self.rng.random() < 0.125:
            return None
        plan, state = self.game.floor_plan, self.game.state()
        there = list(plan.reachable(plan.nearest(state["x"], state["y"])))
        place = plan.places[there[int(self.rng.integers(len(there)))]]
        return self.game.place(place.x, place.y, float(self.rng.uniform(-math.pi, math.pi)))

    def act(self, state: Mapping[str, float]) -> ActionVector:
        """The next action, float32 `[5]`."""
        if not self._began:
            raise BadInputError("the driver has not started; call reset(seed) before act(state)")
        self.state = state
        if state["lost"] or state["won"]:
            self._moves = iter(())
        while (move := next(self._moves, None)) is None:
            names = list(STYLES)
            weights = np.array(list(STYLES.values()))
            style = names[int(self.rng.choice(len(names), p=weights / weights.sum()))]
            self._style = style.__name__
            self._moves = style(self)
        return move

    def target(self) -> float | None:
        """How far right of the picture's middle the widest monster in sight is (−1…1)."""
        seen = [(width, across) for name, across, width in self.game.sight() if name in MONSTERS]
        return max(seen)[1] if seen else None


def _turn_to(driver: PatrolDriver, x: float, y: float) -> float:
    """Radians to the right, from where the player looks to a point."""
    bearing = math.atan2(y - driver.state["y"], x - driver.state["x"])
    return -math.remainder(bearing - driver.state["heading"], 2 * math.pi)


def walk(driver: PatrolDriver) -> Iterator[ActionVector]:
    """To some place on the map by the shortest way; opens doors, shoots on the way, gives up where it is stuck."""
    plan, rng = driver.game.floor_plan, driver.rng
    here = plan.nearest(driver.state["x"], driver.state["y"])
    reach = {place: far for place, far in plan.reachable(here).items() if 200 < far < 1800}
    if not reach:
        yield from wander(driver)
        return
    way = plan.path(here, list(reach)[int(rng.integers(len(reach)))])
    keys, pace = bool(rng.random() < 0.6), float(rng.choice((1.0, 1.0, 0.6)))
    armed, stuck = bool(rng.random() < 0.7), 0
    while way:
        x, y = driver.state["x"], driver.state["y"]
        while way and math.hypot(way[0].x - x, way[0].y - y) < 40:
            way.pop(0)
        if not way:
            return
        aim = _ahead(way, x, y)
        across = driver.target() if armed else None
        turn = _turn_to(driver, aim.x, aim.y)
        forward = pace if abs(turn) < 0.6 else 0.0
        if across is not None and abs(across) < 0.8 and rng.random() < 0.8:
            turn, forward = across * VIEW_HALF, 0.5 * forward
        door = any(place.door for place in way[:4])
        yield action(
            _hand(turn, keys), forward, 0.0, across is not None and abs(across) < 0.15, door and rng.random() < 0.3
        )
        moved = math.hypot(driver.state["x"] - x, driver.state["y"] - y)
        stuck = stuck + 1 if forward and moved < 1.0 else max(0, stuck - 1)
        if stuck > 12:
            yield from _free(driver)
            return


def _ahead(way: list[Place], x: float, y: float) -> Place:
    """A little farther along the way than the next place: smoother turns."""
    return next((p for p in way[:3][::-1] if math.hypot(p.x - x, p.y - y) < 110), way[0])


def _hand(turn: float, keys: bool) -> float:
    """Radians that should be turned → the turn control, as a key or as a stick would give it."""
    if keys:
        return math.copysign(1.0, turn) if abs(turn) > 0.6 * TURN_A_TICK else 0.0
    return turn / TURN_A_TICK


def _free(driver: PatrolDriver) -> Iterator[ActionVector]:
    """Out of a corner: open what may be a door, then back and aside."""
    yield action(use=True)
    yield action()
    side, turn = float(driver.rng.choice((-1, 1))), float(driver.rng.choice((-1, 1)))
    for tick in range(int(driver.rng.integers(8, 20))):
        yield action(turn if tick % 3 else 0.0, -1.0 if tick < 6 else 0.5, side)


def look(driver: PatrolDriver) -> Iterator[ActionVector]:
    """Stands and turns: some way round, or the whole way and on."""
    way = float(driver.rng.choice((-1, 1))) * float(driver.rng.choice((1.0, 1.0, 0.5)))
    for _ in range(int(driver.rng.choice((8, 14, 24, 45, 50)))):
        yield action(way)


def wander(driver: PatrolDriver) -> Iterator[ActionVector]:
    """Keys without a plan, each held for a moment."""
    rng = driver.rng
    for _ in range(int(rng.integers(3, 8))):
        turn, move, strafe = (float(rng.choice((-1, 0, 1), p=p)) for p in WANDERING)
        attack = bool(rng.random() < 0.12)
        for _ in range(int(rng.integers(2, 14))):
            yield action(turn, move, strafe, attack)


def push(driver: PatrolDriver) -> Iterator[ActionVector]:
    """Straight on, into the wall that comes, and along it."""
    turn = float(driver.rng.choice((-0.5, 0.0, 0.0, 0.5)))
    for tick in range(int(driver.rng.integers(12, 40))):
        yield action(turn if tick > 14 else 0.0, 1.0)


def sidestep(driver: PatrolDriver) -> Iterator[ActionVector]:
    """To the side, with and without turning against it."""
    side, turn = float(driver.rng.choice((-1, 1))), float(driver.rng.choice((-1, 0, 0, 1)))
    for _ in range(int(driver.rng.integers(6, 24))):
        yield action(turn, 0.0, side)


def back_off(driver: PatrolDriver) -> Iterator[ActionVector]:
    turn = float(driver.rng.choice((-1, 0, 0, 1)))
    for _ in range(int(driver.rng.integers(6, 20))):
        yield action(turn, -1.0)


def shoot(driver: PatrolDriver) -> Iterator[ActionVector]:
    """The trigger held, at a monster where there is one."""
    for _ in range(int(driver.rng.integers(6, 24))):
        across = driver.target()
        yield action(_hand((across or 0.0) * VIEW_HALF, False), attack=True)


def stand(driver: PatrolDriver) -> Iterator[ActionVector]:
    for _ in range(int(driver.rng.integers(5, 20))):
        yield action()


STYLES: dict[Style, float] = {
    walk: 0.42, look: 0.15, wander: 0.12, push: 0.08, sidestep: 0.06, back_off: 0.06, shoot: 0.05, stand: 0.06,
}  # fmt: skip
