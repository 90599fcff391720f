"""The dataset's folder, readable without Dreamcade.

    dataset.json                     what was recorded, how, and the index of episodes
    episodes/NAME/video.mp4          H.264 4:4:4, one video frame per tick, no B-frames, short groups of pictures
    episodes/NAME/columns.parquet    one row per tick: `action.<control>` float32, and whatever the game exposes
    episodes/NAME/episode.json       the episode's own line of the index; written last

An episode's folder appears in one rename: it is whole or absent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from dreamcade.core.controls import Controls
from dreamcade.core.errors import BadInputError, DatasetError

FORMAT_VERSION = 1
INDEX_FILE = "dataset.json"
EPISODES_FOLDER = "episodes"
VIDEO_FILE = "video.mp4"
COLUMNS_FILE = "columns.parquet"
EPISODE_FILE = "episode.json"
ACTION_PREFIX = "action."

HELDOUT_SHARE = 12
"""One episode in so many is held out."""
HELDOUT_MINIMUM = 2
"""From this many episodes on, at least one is held out."""
LEAST_TICKS = 48
"""An episode as long as this must be there to train on, and another to check with."""

Split = Literal["train", "heldout"]


@dataclass(frozen=True, slots=True)
class EpisodeInfo:
    """One line of the index. `length` in ticks; sizes in bytes, by which a truncated file is noticed."""

    name: str
    seed: int
    split: Split
    length: int
    video_bytes: int
    columns_bytes: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> EpisodeInfo:
        """Raises `DatasetError` on unknown, missing or mistyped fields."""
        _check_fields("an episode's entry", data, {f.name for f in fields(cls)})
        if data["split"] not in get_args(Split):
            raise DatasetError(f"an episode's split must be one of {', '.join(get_args(Split))}; got {data['split']!r}")
        numbers = (data["seed"], data["length"], data["video_bytes"], data["columns_bytes"])
        if not isinstance(data["name"], str) or not all(type(n) is int and n >= 0 for n in numbers):
            raise DatasetError(f"an episode's entry has fields of the wrong type: {data}")
        if data["name"] in ("", ".", "..") or Path(data["name"]).name != data["name"]:
            raise DatasetError(f"an episode's name must be a plain folder name; got {data['name']!r}")
        return cls(**data)


@dataclass(frozen=True, slots=True)
class DatasetMeta:
    """What all episodes share. `frame_size` is (width, height); `tick_rate` in Hz; `recording` says how it was
    made (seed, ticks per episode, driver): two recordings with different ones never share a folder."""

    game: str
    controls: Controls
    frame_size: tuple[int, int]
    tick_rate: float
    licence: str
    recorded_by: str
    recording: Mapping[str, str | int | float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "game": self.game,
            "controls": self.controls.to_json(),
            "frame_size": list(self.frame_size),
            "tick_rate": self.tick_rate,
            "licence": self.licence,
            "recorded_by": self.recorded_by,
            "recording": dict(self.recording),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DatasetMeta:
        """Raises `DatasetError` on unknown, missing or mistyped fields."""
        _check_fields("the dataset's description", data, {f.name for f in fields(cls)})
        try:
            width, height = (int(v) for v in data["frame_size"])
            controls = Controls.from_json(data["controls"])
            tick_rate, recording = float(data["tick_rate"]), dict(data["recording"])
        except (TypeError, ValueError, BadInputError) as error:
            raise DatasetError(f"the dataset's description has a field of the wrong type: {error}") from error
        plain = {name: str(data[name]) for name in ("game", "licence", "recorded_by")}
        return cls(controls=controls, frame_size=(width, height), tick_rate=tick_rate, recording=recording, **plain)

    def difference(self, other: DatasetMeta) -> str:
        """What differs between two recordings, as text; empty where they may share a folder."""
        mine, theirs = _flat(self.to_json()), _flat(other.to_json())
        mine.pop("recorded_by"), theirs.pop("recorded_by")
        names = [name for name in sorted({*mine, *theirs}) if mine.get(name) != theirs.get(name)]
        return "; ".join(f"{name} is {theirs.get(name)} there, {mine.get(name)} here" for name in names)


def _flat(data: dict[str, Any]) -> dict[str, Any]:
    return {**{k: v for k, v in data.items() if k != "recording"}, **data["recording"]}


def _check_fields(what: str, data: Any, expected: set[str]) -> None:
    if not isinstance(data, Mapping) or set(data) != expected:
        got = ", ".join(sorted(map(str, data))) if isinstance(data, Mapping) else type(data).__name__
        raise DatasetError(f"{what} must have the fields {', '.join(sorted(expected))}; got {got}")


def read_index(path: Path) -> tuple[DatasetMeta, list[EpisodeInfo]]:
    """The index of the dataset in folder `path`. Raises `DatasetError`: missing, unreadable, of a newer format."""
    file = path / INDEX_FILE
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        version = data["format_version"]
    except FileNotFoundError as error:
        raise DatasetError(
            f"no dataset in {path} (no {INDEX_FILE}); make one with: dreamcade record GAME --out {path}"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{file} cannot be read ({error}); restore it, or record the dataset again") from error
    if version != FORMAT_VERSION:
        remedy = "update dreamcade" if isinstance(version, int) and version > FORMAT_VERSION else "record it again"
        raise DatasetError(f"{file} has format {version}; this dreamcade reads format {FORMAT_VERSION}: {remedy}")
    meta = DatasetMeta.from_json({k: v for k, v in data.items() if k not in ("format_version", "episodes")})
    entries = data.get("episodes")
    if not isinstance(entries, list):
        raise DatasetError(f"{file} must list its episodes; got {type(entries).__name__}")
    return meta, [EpisodeInfo.from_json(entry) for entry in entries]


def index_json(meta: DatasetMeta, episodes: Iterable[EpisodeInfo]) -> dict[str, Any]:
    """The content of `dataset.json`."""
    ordered = sorted(episodes, key=lambda e: e.name)
    return {"format_version": FORMAT_VERSION, **meta.to_json(), "episodes": [e.to_json() for e in ordered]}


def episode_name(seed: int) -> str:
    """The folder name of the episode with this seed; names sort as seeds do."""
    return f"episode-{seed:012d}"


def plan_splits(seeds: Iterable[int], known: Mapping[int, Split] | None = None) -> dict[int, Split]:
    """Which episodes are held out: by a hash of the seed, whatever the order of recording.

    About one in `HELDOUT_SHARE`, and at least one of `HELDOUT_MINIMUM` or more. Splits in `known` stay as they
    are: an episode once trained on is never held out later, nor the other way round. So where a recording grows that
    has none held out, one of the new episodes is.
    """
    known = known or {}
    fresh = sorted({*seeds} - {*known})
    splits: dict[int, Split] = dict(known)
    splits.update({seed: "heldout" if _hash(seed) % HELDOUT_SHARE == 0 else "train" for seed in fresh})
    if fresh and len(splits) >= HELDOUT_MINIMUM and "heldout" not in splits.values():
        splits[min(fresh, key=_hash)] = "heldout"
    return splits


def _hash(seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"episode {seed}".encode()).digest()[:8], "big")
