"""A game and a driver become an episode. Nothing here writes files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector, Episode, Pixels
from dreamcade.games.base import Driver, Game
from dreamcade.games.registry import make_driver, make_game


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame of a play, the action taken after seeing it, and everything else known at that tick."""

    frame: Pixels
    action: ActionVector
    columns: Mapping[str, float | bool | str]


def play(game: Game, driver: Driver, seed: int, length: int) -> Iterator[Moment]:
    """Plays from `seed` for `length` ticks, or until the game terminates.

    `reward` and `terminated` are what the action at that moment led to. Same arguments: same moments.
    Raises `BadInputError` for a length under 1.
    """
    if length < 1:
        raise BadInputError(f"an episode needs at least 1 tick; got {length}")
    frame = game.reset(seed)
    if (elsewhere := driver.reset(seed)) is not None:
        frame = elsewhere
    for _ in range(length):
        state = game.state()
        action = driver.act(state)
        following, reward, terminated, truncated = game.step(action)
        columns: dict[str, float | bool | str] = {
            **state,
            "reward": reward,
            "terminated": terminated,
            "style": driver.style,
        }
        yield Moment(frame, action, columns)
        if terminated or truncated:
            return
        frame = following


def record_episode(game: Game, driver: Driver, seed: int, length: int) -> Episode:
    """The whole play in memory: frames uint8 `[T, H, W, 3]`, actions float32 `[T, A]`, columns `[T]`."""
    moments = list(play(game, driver, seed, length))
    columns = {name: np.array([m.columns[name] for m in moments]) for name in moments[0].columns}
    return Episode(
        seed=seed,
        frames=np.stack([m.frame for m in moments]),
        actions=np.stack([m.action for m in moments]),
        columns=columns,
        metadata={"game": game.name},
    )


@dataclass(frozen=True, slots=True)
class PlaySource:
    """A play by seed, made afresh in whichever process it is called: `PlaySource(name, size, length)(seed)`."""

    game: str
    size: tuple[int, int]
    length: int
    controls_file: Path | None = None

    def __call__(self, seed: int) -> Iterator[Moment]:
        game = make_game(self.game, self.size, self.controls_file)
        try:
            yield from play(game, make_driver(game), seed, self.length)
        finally:
            game.close()
