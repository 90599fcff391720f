"""From what a person calls a world to its folder."""

from __future__ import annotations

from pathlib import Path

from dreamcade.core.errors import UnknownNameError, WorldError
from dreamcade.world.hub import HubId, pull
from dreamcade.world.manifest import MANIFEST_FILE

SHIPPED_FOLDER = Path(__file__).parent / "worlds"
MOST_PLAYABLE = ("racing", "platformer")
"""These come first; the others follow by name."""


def shipped_worlds() -> list[str]:
    """Names of the worlds inside the package, as a newcomer should meet them."""
    names = sorted(path.parent.name for path in SHIPPED_FOLDER.glob(f"*/{MANIFEST_FILE}"))
    return sorted(names, key=lambda name: MOST_PLAYABLE.index(name) if name in MOST_PLAYABLE else len(MOST_PLAYABLE))


def locate(name: str | Path) -> Path:
    """A shipped name, a folder, or a hub id (`hf://owner/name`, `owner/name`) → the bundle's folder.

    Only a hub id that is no folder here touches the network. Raises `UnknownNameError` with the nearest shipped name,
    `WorldError` for a path that is no folder or a hub that does not answer.
    """
    text = str(name)
    if isinstance(name, str) and text in shipped_worlds():
        return SHIPPED_FOLDER / text
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise WorldError(f"{folder} is a file; a world is a folder with a {MANIFEST_FILE}")
    if isinstance(name, str) and (hub_id := HubId.parse(text)) is not None:
        return pull(hub_id)
    if len(folder.parts) > 1:
        raise WorldError(f"there is no world at {folder}: the folder does not exist")
    raise UnknownNameError("world", text, shipped_worlds())
