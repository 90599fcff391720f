"""Worlds on the Hugging Face hub. The network is used only when somebody names a hub id."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dreamcade.core.errors import WorldError
from dreamcade.world.manifest import BUNDLE_FILES, MANIFEST_FILE

_PREFIX = "hf://"
_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

Download = Callable[["HubId"], Path]


@dataclass(frozen=True, slots=True)
class HubId:
    """`owner/name` of a model repository, at a branch, tag or commit."""

    repository: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> HubId | None:
        """`hf://owner/name[@revision]` or `owner/name[@revision]`; None when it is neither.

        Without the prefix, `owner/name` whose first part is a folder here is taken for a mistyped path, not an id.
        """
        plain, _, revision = text.removeprefix(_PREFIX).partition("@")
        if not _ID.fullmatch(plain):
            return None
        if not text.startswith(_PREFIX) and Path(plain).parent.is_dir():
            return None
        return cls(plain, revision or None)


def pull(hub_id: HubId, download: Download | None = None) -> Path:
    """Fetches a bundle's files (nothing else of the repository) and returns their folder.

    What is in the hub's cache is not fetched again.

    Raises `WorldError` when the hub does not answer, or answers with something that is no world.
    """
    try:
        folder = (download or _download)(hub_id)
    except WorldError:
        raise
    except Exception as error:
        # huggingface_hub raises its own, httpx's and OSError's classes; for the player they are one thing.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WorldError(
            f"cannot get {hub_id.repository} from the Hugging Face hub ({reason}); "
            "check the name and the connection, or give a folder"
        ) from error
    if not (folder / MANIFEST_FILE).is_file():
        raise WorldError(f"{hub_id.repository} on the Hugging Face hub is not a Dreamcade world: no {MANIFEST_FILE}")
    return folder


def _download(hub_id: HubId) -> Path:
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(hub_id.repository, revision=hub_id.revision, allow_patterns=list(BUNDLE_FILES)))
