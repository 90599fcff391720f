"""The model card that the Hugging Face hub renders, written from the manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dreamcade.world.manifest import CLIP_FILE, WorldManifest

_HUB_LICENCES = ("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0")


def model_card(manifest: WorldManifest, clip: bool = False) -> str:
    """`README.md` of a bundle: YAML header, how to play, controls, and everything the card says; `clip` shows the one
    beside it."""
    width, height = manifest.frame_size
    parts = [
        _header(manifest),
        f"# {manifest.title}\n\n{manifest.description}",
        "A world for [Dreamcade](https://pypi.org/project/dreamcade/), a real-time generative game engine. "
        f"It plays at {width}×{height}, {manifest.tick_rate:g} frames per second, "
        f"{manifest.sampling_steps} sampling step{'s' if manifest.sampling_steps > 1 else ''} a frame.",
        f"![On the left the real game, on the right its dream under the same keys]({CLIP_FILE})" if clip else "",
        _how_to_play(manifest),
        _controls(manifest),
        *(card_section(key, value) for key, value in manifest.card.items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(manifest: WorldManifest) -> str:
    licence = manifest.licence.lower()
    # JSON strings are YAML strings: quoting them so needs no YAML library.
    lines = (
        [f"license: {licence}"]
        if licence in _HUB_LICENCES
        else ["license: other", f"license_name: {json.dumps(manifest.licence)}"]
    )
    tags = ["dreamcade", "world-model", "game", manifest.game]
    lines += ["library_name: dreamcade", "tags:", *(f"- {json.dumps(tag)}" for tag in tags)]
    return "\n".join(["---", *lines, "---"])


def _how_to_play(manifest: WorldManifest) -> str:
    code = "\n".join(
        [
            "import dreamcade",
            "",
            'world = dreamcade.World.load("path/to/this/folder")',
            "session = dreamcade.Engine(world).open_session(seed=0)",
            f"frame = session.step({json.dumps(dict.fromkeys(manifest.controls.names[:1], 0.0))})",
        ]
    )
    return f"## Play it\n\n```\ndreamcade play path/to/this/folder\n```\n\n```python\n{code}\n```"


def _controls(manifest: WorldManifest) -> str:
    rows = [
        (a.label or a.name, f"{a.low:g} … {a.high:g}", ", ".join((*a.negative_keys, *a.positive_keys)))
        for a in manifest.controls.axes
    ]
    rows += [(b.label or b.name, "off / on", ", ".join(b.keys)) for b in manifest.controls.buttons]
    return "## Controls\n\n" + markdown_table(("control", "range", "keys"), rows) if rows else ""


def card_section(key: str, value: Any, level: int = 2) -> str:
    """One entry of a card, under a heading of `level`."""
    title = f"{'#' * level} {key.replace('_', ' ').capitalize()}"
    if isinstance(value, Mapping):
        return f"{title}\n\n" + markdown_table(("", ""), [(k.replace("_", " "), _cell(v)) for k, v in value.items()])
    if isinstance(value, list | tuple) and value and all(isinstance(item, Mapping) for item in value):
        names = tuple(value[0])
        return f"{title}\n\n" + markdown_table(
            names, [tuple(_cell(item.get(name)) for name in names) for item in value]
        )
    if isinstance(value, list | tuple):
        return f"{title}\n\n" + "\n".join(f"- {_cell(item)}" for item in value)
    return f"{title}\n\n{_cell(value)}"


def card_text(value: Any) -> str:
    """One entry of a card for a terminal: a line for each thing that it tells."""
    if isinstance(value, Mapping):
        return "\n".join(f"{name.replace('_', ' ')}: {_cell(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(" · ".join(_told(item)) if isinstance(item, Mapping) else _cell(item) for item in value)
    return _cell(value)


def _told(item: Mapping[str, Any]) -> list[str]:
    return [f"{name.replace('_', ' ')} {_cell(value)}" for name, value in item.items()]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: "–"}[value]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def markdown_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Rows under a header, bars in their cells escaped."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
