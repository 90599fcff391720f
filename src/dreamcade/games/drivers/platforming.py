"""The scripted player of CoinRun: explores a level first, then starts anywhere in it and plays well or wildly.

Exploring is Go-Explore's first phase (Ecoffet et al., arXiv 1901.10995) at its simplest: from a random known place, a
few random keys; every place reached for the first time is remembered with the game's whole state. So recordings
cover all that can be reached, not only what lies before the first pit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

import numpy as np

from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.games.procgen.coinrun import CoinRunState, parse_state
from dreamcade.games.procgen.game import CoinRunGame
from dreamcade.games.procgen.process import ProcgenProcess

EXPLORING_STEPS = 6000
FUTURES, FORESIGHT = 10, 26
"""How many futures `plan` tries, and how many ticks ahead."""
Keys = tuple[bool, bool, bool, bool]
"""Left, right, up, down."""
Style = Callable[["CoinRunGame", np.random.Generator], Iterator[Keys]]

REST: Keys = (False, False, False, False)
WAYS: tuple[tuple[Keys, float], ...] = (
    (REST, 0.08), ((False, True, False, False), 0.2), ((True, False, False, False), 0.14),
    ((False, True, True, False), 0.26), ((True, False, True, False), 0.16), ((False, False, True, False), 0.1),
    ((False, False, False, True), 0.03), ((False, True, False, True), 0.02), ((True, False, False, True), 0.01),
)  # fmt: skip


def explore(process: ProcgenProcess, level: int, steps: int) -> list[bytes]:
    """States of `level`, one for each cell that was reached on firm ground or in the air, ordered by discovery."""
    rng = np.random.default_rng([level, 0xE5])
    start = process.reset(level, drawn=False)
    known = {_cell(parse_state(start.state)): start.state}
    places = [start.state]
    visits = [0]
    taken = 0
    while taken < steps:
        # The newest places and the least visited ones are where something new is likely.
        candidates = rng.integers(len(places), size=3)
        chosen = min(candidates, key=lambda i: visits[i] - 0.02 * i)
        visits[chosen] += 1
        process.restore(level, places[chosen], drawn=False)
        for _ in range(int(rng.integers(1, 4))):
            action = _move(_draw(rng))
            for _ in range(int(rng.integers(2, 10))):
                answer = process.step(action, drawn=False)
                taken += 1
                if answer.ended:
                    break
                cell = _cell(parse_state(answer.state))
                if cell not in known:
                    known[cell] = answer.state
                    places.append(answer.state)
                    visits.append(0)
            if answer.ended:
                break
    return places


def _cell(view: CoinRunState) -> tuple[int, int, bool]:
    return int(view.x), int(view.y), view.supported


def _draw(rng: np.random.Generator) -> Keys:
    weights = np.array([weight for _, weight in WAYS])
    return WAYS[int(rng.choice(len(WAYS), p=weights / weights.sum()))][0]


def _move(keys: Keys) -> int:
    left, right, up, down = keys
    return 3 * (int(right) - int(left) + 1) + int(up) - int(down) + 1


@lru_cache(maxsize=32)
def _explored(level: int) -> list[bytes]:
    process = ProcgenProcess("coinrun", "hard")
    try:
        return explore(process, level, EXPLORING_STEPS)
    finally:
        process.close()


class PlatformDriver:
    """Plays CoinRun: two thirds towards the coin by rules, else random keys, the way back, or rest."""

    def __init__(self, game: CoinRunGame) -> None:
        self._game = game
        self._rng: np.random.Generator | None = None
        self._moves: Iterator[Keys] = iter(())
        self._style = ""

    @property
    def style(self) -> str:
        return self._style

    def reset(self, seed: int) -> Pixels | None:
        """Puts the game at a place of its level that the seed chooses; one time in four it stays at the beginning."""
        self._rng = np.random.default_rng([seed, 0xD2])
        self._moves, self._style = iter(()), ""
        if self._rng.random() < 0.25:
            return None
        level = int(self._game.state()["level"])
        places = _explored(level)
        return self._game.place(level, places[int(self._rng.integers(len(places)))])

    def act(self, state: Mapping[str, float]) -> ActionVector:
        """The next action, float32 `[4]`."""
        if self._rng is None:
            raise BadInputError("the driver has not started; call reset(seed) before act(state)")
        while (keys := next(self._moves, None)) is None:
            names = list(STYLES)
            weights = np.array(list(STYLES.values()))
            style = names[int(self._rng.choice(len(names), p=weights / weights.sum()))]
            self._style = style.__name__
            self._moves = style(self._game, self._rng)
        return np.array(keys, np.float32)


def plan(game: CoinRunGame, rng: np.random.Generator) -> Iterator[Keys]:
    """Towards the coin with foresight: of some random futures, tried in the game itself, the best one's beginning."""
    for _ in range(int(rng.integers(2, 9))):
        futures = [_future(rng) for _ in range(FUTURES)]
        best = max(futures, key=lambda keys: _progress(game, keys))
        yield from best[: int(rng.integers(6, 13))]


def _future(rng: np.random.Generator) -> list[Keys]:
    keys: list[Keys] = []
    while len(keys) < FORESIGHT:
        # Mostly to the right, with jumps; else whatever comes.
        chosen = _draw(rng) if rng.random() < 0.35 else (False, True, bool(rng.random() < 0.6), False)
        keys += [chosen] * int(rng.integers(2, 12))
    return keys[:FORESIGHT]


def _progress(game: CoinRunGame, keys: list[Keys]) -> float:
    """How far these keys would get the player, in cells; far below zero where they would be its death."""
    process, level, before = game.process, int(game.state()["level"]), game.view
    process.restore(level, game.saved, drawn=False)
    for tick, key in enumerate(keys):
        answer = process.step(_move(key), drawn=False)
        if answer.ended:
            return 100.0 if answer.complete else -100.0 + tick
    view = parse_state(answer.state)
    return view.x - before.x + 0.2 * min(0.0, view.y - before.y)


def run(game: CoinRunGame, rng: np.random.Generator) -> Iterator[Keys]:
    """To the coin: right, and a jump before whatever is in the way."""
    caution = float(rng.uniform(0.6, 1.6))
    for _ in range(int(rng.integers(45, 150))):
        yield (False, True, _should_jump(game.view, 1, caution), False)


def run_back(game: CoinRunGame, rng: np.random.Generator) -> Iterator[Keys]:
    """Against the direction of the level."""
    caution = float(rng.uniform(0.6, 1.6))
    for _ in range(int(rng.integers(15, 60))):
        yield (True, False, _should_jump(game.view, -1, caution), False)


def tap(game: CoinRunGame, rng: np.random.Generator) -> Iterator[Keys]:
    """Random keys, each held for a moment."""
    for _ in range(int(rng.integers(3, 9))):
        keys = _draw(rng)
        for _ in range(int(rng.integers(2, 12))):
            yield keys


def hop(game: CoinRunGame, rng: np.random.Generator) -> Iterator[Keys]:
    """Jumps, with and without going anywhere, the key held or let go early."""
    for _ in range(int(rng.integers(1, 4))):
        way = int(rng.choice((-1, 0, 0, 1, 1)))
        held, rest = int(rng.integers(1, 12)), int(rng.integers(2, 14))
        for tick in range(held + rest):
            yield (way < 0, way > 0, tick < held, False)


def stand(game: CoinRunGame, rng: np.random.Generator) -> Iterator[Keys]:
    """Hands off, or down."""
    down = bool(rng.random() < 0.3)
    for _ in range(int(rng.integers(4, 22))):
        yield (False, False, False, down)


def push(game: CoinRunGame, rng: np.random.Generator) -> Iterator[Keys]:
    """One direction held, whatever comes: into walls, over edges."""
    left = bool(rng.random() < 0.45)
    for _ in range(int(rng.integers(6, 30))):
        yield (left, not left, False, False)


STYLES: dict[Style, float] = {plan: 0.3, run: 0.12, run_back: 0.1, tap: 0.2, hop: 0.12, stand: 0.08, push: 0.1}


def _should_jump(view: CoinRunState, way: int, caution: float) -> bool:
    """Whether something is so near ahead that one jumps now."""
    return view.supported and any(view.obstacles(way, caution))
