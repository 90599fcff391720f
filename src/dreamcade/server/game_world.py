"""A real game where the page expects a world: what the gallery tells about it, and the one place to begin from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dreamcade.core.controls import Controls
from dreamcade.core.errors import UnknownNameError

START = "start"


@dataclass(frozen=True, slots=True)
class GameStart:
    """The game's own beginning."""

    thumbnail: bytes
    name: str = START
    title: str = "Play the real game"


@dataclass(frozen=True, slots=True)
class GameManifest:
    """What the gallery tells about a real game."""

    name: str
    title: str
    description: str
    game: str
    controls: Controls
    frame_size: tuple[int, int]
    tick_rate: float
    sampling_steps: int = 0
    card: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GameWorld:
    """A real game where the page expects a world."""

    manifest: GameManifest
    starts: tuple[GameStart, ...]
    clip: bytes | None = None

    @property
    def controls(self) -> Controls:
        return self.manifest.controls

    @property
    def tick_rate(self) -> float:
        return self.manifest.tick_rate

    def start(self, name: str | None) -> GameStart:
        """The only one. Raises `UnknownNameError` for another name."""
        if name not in (None, START):
            raise UnknownNameError("start", str(name), [START])
        return self.starts[0]
