"""One page of Markdown about several worlds, written from their cards."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamcade.world import shipped
from dreamcade.world.card import card_section, markdown_table
from dreamcade.world.manifest import CLIP_FILE, WorldManifest, read_manifest

INTRODUCTION = """\
What each world learnt from, how near it comes to its game, and where it fails. Every figure is of play that the world
was not trained on, and stands on the card inside its bundle; `dreamcade world catalogue` writes this page from the
cards."""
TOLD = ("does well", "does badly", "evaluation", "verdicts", "what must hold")
"""Sections of a card that the page repeats, in this order."""


def catalogue(folders: Sequence[Path], beside: Path) -> str:
    """The page about the worlds in `folders`; its links lead from the folder `beside` to theirs."""
    worlds = [(folder, read_manifest(folder)) for folder in folders]
    parts = [
        "# Worlds",
        INTRODUCTION,
        markdown_table(
            ("world", "learnt from", "picture", "rate", "size", "trained on"),
            [_line(folder, manifest) for folder, manifest in worlds],
        ),
        *(part for folder, manifest in worlds for part in _world(folder, manifest, beside)),
    ]
    return "\n\n".join(parts) + "\n"


def _line(folder: Path, manifest: WorldManifest) -> tuple[str, ...]:
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    width, height = manifest.frame_size
    return (
        f"[{manifest.name}](#{manifest.title.lower().replace(' ', '-')})", manifest.game, f"{width}×{height}",
        f"{manifest.tick_rate:g} a second", f"{size / 1e6:.0f} MB", str(manifest.card.get("machine", "–")),
    )  # fmt: skip


def _world(folder: Path, manifest: WorldManifest, beside: Path) -> Iterator[str]:
    yield f"## {manifest.title}"
    name = manifest.name if folder == shipped.SHIPPED_FOLDER / manifest.name else os.path.relpath(folder)
    yield f"{manifest.description} `dreamcade play {name}`"
    if all(isinstance(manifest.card.get(key), Mapping) for key in ("data", "codec training", "dynamics training")):
        yield _making(manifest.card)
    if CLIP_FILE in manifest.files:
        link = os.path.relpath(folder / CLIP_FILE, beside)
        yield f"![Left the real game, right its dream, from one moment under the same keys]({link})"
    yield from (card_section(key, manifest.card[key], level=3) for key in TOLD if manifest.card.get(key))


def _making(card: Mapping[str, Any]) -> str:
    data, codec, dynamics = card["data"], card["codec training"], card["dynamics training"]
    return (
        f"Made from {data.get('hours of play', '?')} hours of play ({data.get('frames', '?')} frames): codec "
        f"{codec.get('steps', '?')} steps of {codec.get('batch', '?')} in {codec.get('hours', '?')} hours, dynamics "
        f"{dynamics.get('steps', '?')} steps of {dynamics.get('batch', '?')} in {dynamics.get('hours', '?')} hours."
    )
