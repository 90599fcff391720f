"""Dreamcade: record the play of a game, train a world model of it, and play that model live.

world = dreamcade.World.load("racing")
engine = dreamcade.Engine(world)
frame = engine.open_session(seed=0).step({"steer": -1.0, "gas": 0.6})
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dreamcade.engine import Engine
    from dreamcade.world import World

__all__ = ["Engine", "World"]


def __getattr__(name: str) -> Any:
    # Lazy: PyTorch takes a second to import, and `dreamcade --help` does not need it.
    if name == "World":
        from dreamcade.world import World

        return World
    if name == "Engine":
        from dreamcade.engine import Engine

        return Engine
    raise AttributeError(f"module 'dreamcade' has no attribute {name!r}")
