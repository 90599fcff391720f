"""Episodes to disk: each whole or absent, and a recording that can be taken up where it was broken off."""

from __future__ import annotations

import json
import shutil
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dreamcade.core.errors import BadInputError, DatasetError
from dreamcade.core.files import atomic_folder, write_json
from dreamcade.core.types import ActionVector, Episode, Pixels
from dreamcade.dataset.format import (
    ACTION_PREFIX,
    COLUMNS_FILE,
    EPISODE_FILE,
    EPISODES_FOLDER,
    INDEX_FILE,
    VIDEO_FILE,
    DatasetMeta,
    EpisodeInfo,
    Split,
    episode_name,
    index_json,
    plan_splits,
    read_index,
)
from dreamcade.dataset.video import VideoWriter


class Moment(Protocol):
    """One frame uint8 `[H, W, 3]`, the action float32 `[A]` taken after seeing it, and its columns."""

    @property
    def frame(self) -> Pixels: ...
    @property
    def action(self) -> ActionVector: ...
    @property
    def columns(self) -> Mapping[str, Any]: ...


def write_episode(path: Path, meta: DatasetMeta, seed: int, split: Split, moments: Iterable[Moment]) -> EpisodeInfo:
    """Stores one episode of the dataset in folder `path`, frame by frame as `moments` yields them.

    Does not touch the index: see `DatasetWriter.add`. Raises `BadInputError` for frames or actions that do not fit
    `meta`, an episode without frames, or a full disk; then nothing of the episode stays.
    """
    name = episode_name(seed)
    with atomic_folder(path / EPISODES_FOLDER / name) as folder:
        actions: list[ActionVector] = []
        rows: list[Mapping[str, Any]] = []
        with VideoWriter(folder / VIDEO_FILE, meta.frame_size, meta.tick_rate) as video:
            for moment in moments:
                video.append(_checked(moment.frame, meta))
                actions.append(meta.controls.validate(moment.action))
                rows.append(moment.columns)
        if not rows:
            raise BadInputError(f"episode {name} has no frames; an episode needs at least one")
        pq.write_table(_table(meta, actions, rows), folder / COLUMNS_FILE, compression="zstd")
        sizes = [(folder / file).stat().st_size for file in (VIDEO_FILE, COLUMNS_FILE)]
        info = EpisodeInfo(name, seed, split, len(rows), *sizes)
        write_json(folder / EPISODE_FILE, info.to_json())
    return info


def _checked(frame: Pixels, meta: DatasetMeta) -> Pixels:
    width, height = meta.frame_size
    if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
        raise BadInputError(f"a frame must be uint8 [{height}, {width}, 3]; got {frame.dtype} {list(frame.shape)}")
    return frame


def _table(meta: DatasetMeta, actions: list[ActionVector], rows: list[Mapping[str, Any]]) -> pa.Table:
    matrix = np.stack(actions)
    columns = {ACTION_PREFIX + name: pa.array(matrix[:, i]) for i, name in enumerate(meta.controls.names)}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        if values.dtype == np.float64:
            values = values.astype(np.float32)
        if values.ndim > 1:
            flat = pa.array(values.reshape(-1))
            columns[name] = pa.FixedSizeListArray.from_arrays(flat, values[0].size)
        else:
            array = pa.array(values.tolist() if values.dtype.kind == "U" else values)
            columns[name] = array.dictionary_encode() if values.dtype.kind == "U" else array
    return pa.table(columns)


class DatasetWriter:
    """The folder that a recording fills. One process owns it; episodes may be written by others.

    Opening an existing folder takes up its whole episodes and sweeps away what a killed recorder left. Raises
    `DatasetError` where the folder holds another recording, or something that is no dataset.
    """

    def __init__(self, path: Path, meta: DatasetMeta) -> None:
        self.path, self.meta = path, meta
        self._episodes: dict[str, EpisodeInfo] = {}
        self._splits: dict[int, Split] = {}
        if (path / INDEX_FILE).exists():
            self._take_up()
        elif path.exists() and (not path.is_dir() or any(path.iterdir())):
            what = "is not empty and holds no dataset" if path.is_dir() else "is a file, a dataset a folder"
            raise DatasetError(f"{path} {what}; choose another folder with --out")
        self._write_index()

    def _take_up(self) -> None:
        existing, entries = read_index(self.path)
        if difference := self.meta.difference(existing):
            raise DatasetError(f"{self.path} holds another recording ({difference}); choose another folder with --out")
        self.sweep()
        self._splits = {entry.seed: entry.split for entry in entries}
        for folder in sorted((self.path / EPISODES_FOLDER).glob("*")):
            if info := _stored(folder):
                self._episodes[info.name] = info

    @property
    def episodes(self) -> list[EpisodeInfo]:
        return sorted(self._episodes.values(), key=lambda e: e.name)

    def missing(self, seeds: Iterable[int], outdated: Container[int] = ()) -> list[tuple[int, Split]]:
        """Seeds that have no whole episode yet, or an `outdated` one, each with the split it will belong to.

        A seed that has ever been in the index keeps its split, whatever became of its files.
        """
        splits = plan_splits(seeds, {**self._splits, **{e.seed: e.split for e in self._episodes.values()}})
        return [(seed, splits[seed]) for seed in seeds if seed in outdated or episode_name(seed) not in self._episodes]

    def add(self, info: EpisodeInfo) -> None:
        """Enters a stored episode into the index."""
        self._episodes[info.name] = info
        self._write_index()

    def remove(self, info: EpisodeInfo) -> None:
        """Takes an episode out of the index, and its files away."""
        del self._episodes[info.name]
        self._write_index()
        folder = self.path / EPISODES_FOLDER / info.name
        gone = folder.with_name(f".{folder.name}.removed")  # what a kill leaves of it is swept away
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def write(self, episode: Episode, split: Split) -> EpisodeInfo:
        """Stores an episode that is in memory and enters it into the index."""
        info = write_episode(self.path, self.meta, episode.seed, split, _moments(episode))
        self.add(info)
        return info

    def sweep(self) -> None:
        """Removes what episodes, or an index, that were broken off have left."""
        for folder in (self.path / EPISODES_FOLDER).glob(".*"):
            shutil.rmtree(folder, ignore_errors=True)
        for file in self.path.glob(f".{INDEX_FILE}.*.part"):
            file.unlink(missing_ok=True)

    def drop_if_empty(self) -> None:
        """Takes the folder away again where no episode was ever stored in it."""
        self.sweep()
        episodes = self.path / EPISODES_FOLDER
        if self._episodes or (episodes.is_dir() and any(episodes.iterdir())):
            return
        (self.path / INDEX_FILE).unlink(missing_ok=True)
        for folder in (episodes, self.path):
            with suppress(OSError):  # something else lies in it
                folder.rmdir()

    def _write_index(self) -> None:
        write_json(self.path / INDEX_FILE, index_json(self.meta, self._episodes.values()))


@dataclass(frozen=True, slots=True)
class _Row:
    frame: Pixels
    action: ActionVector
    columns: Mapping[str, Any]


def _moments(episode: Episode) -> Iterator[_Row]:
    for t in range(len(episode)):
        yield _Row(episode.frames[t], episode.actions[t], {name: v[t] for name, v in episode.columns.items()})


def _stored(folder: Path) -> EpisodeInfo | None:
    """The entry of a whole episode's folder, or None where a file is missing or has another size."""
    try:
        info = EpisodeInfo.from_json(json.loads((folder / EPISODE_FILE).read_text(encoding="utf-8")))
        sizes = [(folder / file).stat().st_size for file in (VIDEO_FILE, COLUMNS_FILE)]
    except (OSError, ValueError, DatasetError):
        return None
    return info if sizes == [info.video_bytes, info.columns_bytes] and info.name == folder.name else None
