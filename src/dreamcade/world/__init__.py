"""The bundle on disk that a player needs: load, save, verify, hub. `worlds/` holds the shipped ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dreamcade.world.manifest import FORMAT_VERSION, WorldManifest
from dreamcade.world.shipped import locate, shipped_worlds

if TYPE_CHECKING:
    from dreamcade.world.starts import Start, make_start
    from dreamcade.world.verify import verify_world
    from dreamcade.world.world import World

__all__ = [
    "FORMAT_VERSION",
    "Start",
    "World",
    "WorldManifest",
    "locate",
    "make_start",
    "shipped_worlds",
    "verify_world",
]

_MODULES = {"Start": "starts", "make_start": "starts", "World": "world", "verify_world": "verify"}


def __getattr__(name: str) -> Any:
    # What needs PyTorch is imported on first use, so that listing worlds is quick.
    if name not in _MODULES:
        raise AttributeError(f"module 'dreamcade.world' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"dreamcade.world.{_MODULES[name]}"), name)
