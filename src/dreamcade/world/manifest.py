"""`world.json`: what a bundle is, without its weights. Reading it needs no PyTorch."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dreamcade.core.controls import Controls
from dreamcade.core.errors import BadInputError, WorldError

FORMAT_VERSION = 1
MANIFEST_FILE = "world.json"
CODEC_FILE = "codec.safetensors"
DYNAMICS_FILE = "dynamics.safetensors"
STARTS_FILE = "starts.safetensors"
CARD_FILE = "README.md"
CLIP_FILE = "clip.webp"
"""A moving picture of the real game beside the dream."""
PREDICTOR_FILE = "predictor.safetensors"
EXTRAPOLATION_FILE = "extrapolation.safetensors"
HASHED_FILES = (CODEC_FILE, DYNAMICS_FILE, STARTS_FILE, CARD_FILE)
OPTIONAL_FILES = (CLIP_FILE, PREDICTOR_FILE, EXTRAPOLATION_FILE)
"""What a world may lack."""
BUNDLE_FILES = (MANIFEST_FILE, *HASHED_FILES, *OPTIONAL_FILES)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


_KINDS = {
    str: ("name", "title", "description", "licence", "game"),
    Mapping: ("codec", "dynamics", "card", "files", "predictor", "extrapolation"),
}
_OPTIONAL = {"predictor", "extrapolation"}

_JSON = {str: "string", Mapping: "object"}


@dataclass(frozen=True, slots=True)
class WorldManifest:
    """A world's identity, controls, sizes and card.

    `frame_size` is (width, height) in pixels; `tick_rate` in ticks per second; `codec`, `dynamics`, `predictor` and
    `extrapolation` are the JSON of their configs, the last two empty where the world lacks them; `card` holds whatever
    the makers say of it (data, hours, hardware, metrics); `files` maps each file of the bundle to its SHA-256 and is
    empty for a world that was never saved.
    """

    name: str
    title: str
    description: str
    licence: str
    game: str
    controls: Controls
    frame_size: tuple[int, int]
    tick_rate: float
    sampling_steps: int
    codec: Mapping[str, Any]
    dynamics: Mapping[str, Any]
    card: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION
    predictor: Mapping[str, Any] = field(default_factory=dict)
    extrapolation: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, names in _KINDS.items():
            for name in names:
                if not isinstance(getattr(self, name), kind):
                    raise WorldError(f"{name} must be a JSON {_JSON[kind]}; got {getattr(self, name)!r}")
        check_name(self.name)
        if len(self.frame_size) != 2 or min(self.frame_size) < 1:
            raise WorldError(f"frame_size must be [width, height], both positive; got {list(self.frame_size)}")
        if not (math.isfinite(self.tick_rate) and self.tick_rate > 0):
            raise WorldError(f"tick_rate must be a positive number of ticks per second; got {self.tick_rate}")
        if self.sampling_steps < 1:
            raise WorldError(f"sampling_steps must be at least 1; got {self.sampling_steps}")

    def to_json(self) -> dict[str, Any]:
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        values["controls"] = self.controls.to_json()
        values["frame_size"] = list(self.frame_size)
        left_out = {name for name in _OPTIONAL if not values[name]}  # older builds read a world without them
        return {
            "format_version": values.pop("format_version"),
            **{name: value for name, value in values.items() if name not in left_out},
        }

    @classmethod
    def from_json(cls, data: Any) -> WorldManifest:
        """Inverse of `to_json`. Raises `WorldError`: newer format, missing or unknown keys, wrong values."""
        _check_keys(data, {f.name for f in dataclasses.fields(cls)})
        try:
            return cls(
                **{
                    **data,
                    "controls": Controls.from_json(data["controls"]),
                    "frame_size": tuple(int(n) for n in data["frame_size"]),
                    "tick_rate": float(data["tick_rate"]),
                    "sampling_steps": int(data["sampling_steps"]),
                }
            )
        except (BadInputError, TypeError, ValueError, AttributeError) as error:
            raise WorldError(f"its values are not of the expected kinds ({error})") from error


def check_name(name: str) -> None:
    """Raises `WorldError` unless `name` can be a world's."""
    if not _NAME.fullmatch(name):
        raise WorldError(f"a world's name is made of a-z, 0-9, - and _ (like 'racing'); got {name!r}")


def read_manifest(folder: Path) -> WorldManifest:
    """Reads `world.json` of a bundle. Raises `WorldError` that names the file and what is wrong with it."""
    path = folder / MANIFEST_FILE
    try:
        return WorldManifest.from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise WorldError(f"{folder} is not a world: it has no {MANIFEST_FILE}") from error
    except OSError as error:
        raise WorldError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise WorldError(f"{path} is damaged (no valid JSON: {error}); get the world again") from error
    except WorldError as error:
        raise WorldError(f"{path}: {error}") from error


def _check_keys(data: Any, known: set[str]) -> None:
    if not isinstance(data, dict) or not isinstance(data.get("format_version"), int):
        raise WorldError("expected a JSON object with a number 'format_version'; this is not a world's manifest")
    version = data["format_version"]
    if version > FORMAT_VERSION:
        raise WorldError(
            f"format version {version} is newer than this build reads ({FORMAT_VERSION}); "
            "upgrade with: pip install --upgrade dreamcade"
        )
    if version < 1:
        raise WorldError(f"format version {version} does not exist; this build reads {FORMAT_VERSION}")
    missing, unknown = sorted(known - _OPTIONAL - set(data)), sorted(set(data) - known)
    if missing or unknown:
        parts = [f"{what} {', '.join(keys)}" for what, keys in (("missing", missing), ("unknown", unknown)) if keys]
        raise WorldError(f"wrong keys: {'; '.join(parts)}; get the world again")
