"""Episodes from disk: any window of any episode, quickly; what is damaged is named and skipped."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dreamcade.core.errors import BadInputError, DatasetError, UnknownNameError
from dreamcade.core.types import Episode, Pixels
from dreamcade.dataset.format import (
    ACTION_PREFIX,
    COLUMNS_FILE,
    EPISODE_FILE,
    EPISODES_FOLDER,
    VIDEO_FILE,
    DatasetMeta,
    EpisodeInfo,
    Split,
    read_index,
)
from dreamcade.dataset.video import VideoReader

OPEN_VIDEOS = 24
"""Decoders kept open; each holds a few frames."""


class Dataset:
    """A recorded dataset. `actions[t]` is the action taken after seeing `frames[t]`.

    May be used from several threads; an instance that is pickled to another process opens its own files there.
    """

    def __init__(
        self, path: Path, meta: DatasetMeta, episodes: list[EpisodeInfo], damaged: list[tuple[str, str]]
    ) -> None:
        self.path, self.meta = path, meta
        self.damaged = damaged
        self._episodes = episodes
        self._columns: dict[str, dict[str, NDArray[Any]]] = {}
        self._videos: OrderedDict[str, VideoReader] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def open(cls, path: Path) -> Dataset:
        """Reads the index and looks at every episode's files (sizes, not contents).

        Raises `DatasetError` where there is no dataset, its index is damaged, or its format newer. Episodes whose
        files are missing or cut short are left out and listed in `damaged` as (name, reason).
        """
        path = Path(path)
        meta, entries = read_index(path)
        damaged = [(e.name, reason) for e in entries if (reason := _wrong_with(path, e))]
        names = {name for name, _ in damaged}
        return cls(path, meta, [e for e in entries if e.name not in names], damaged)

    def episodes(self, split: Split | Literal["all"] = "all") -> list[EpisodeInfo]:
        """Whole episodes of a split, ordered by name."""
        if split not in ("train", "heldout", "all"):
            raise UnknownNameError("split", split, ("train", "heldout", "all"))
        bad = {name for name, _ in self.damaged}
        return [e for e in self._episodes if split in ("all", e.split) and e.name not in bad]

    def frames(self, episode: EpisodeInfo, start: int = 0, stop: int | None = None) -> Pixels:
        """uint8 `[T, H, W, 3]`. Raises `BadInputError` for a window outside the episode; `DatasetError` where the
        video is damaged there, and then the episode joins `damaged`."""
        first, last = _window(episode, start, stop)
        with self._lock, _Reporting(self, episode):
            return self._video(episode).read(first, last)

    def actions(self, episode: EpisodeInfo, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """float32 `[T, A]`, in the order of the dataset's controls."""
        first, last = _window(episode, start, stop)
        table = self._table(episode)
        missing = [n for n in self.meta.controls.names if ACTION_PREFIX + n not in table]
        if missing:
            raise DatasetError(f"episode {episode.name} of {self.path} lacks the actions {', '.join(missing)}")
        columns = [table[ACTION_PREFIX + name] for name in self.meta.controls.names]
        return np.stack(columns, axis=1).astype(np.float32)[first:last]

    def column(self, episode: EpisodeInfo, name: str) -> NDArray[Any]:
        """One value (or fixed-size vector) per frame, `[T, …]`. Raises `UnknownNameError`."""
        table = self._table(episode)
        if name not in table:
            raise UnknownNameError("column", name, table)
        return table[name]

    def column_names(self, episode: EpisodeInfo) -> tuple[str, ...]:
        """What the game exposed beside frames and actions."""
        return tuple(n for n in self._table(episode) if not n.startswith(ACTION_PREFIX))

    def load(self, episode: EpisodeInfo) -> Episode:
        """The whole episode in memory."""
        columns = {name: self.column(episode, name) for name in self.column_names(episode)}
        return Episode(episode.seed, self.frames(episode), self.actions(episode), columns, {"game": self.meta.game})

    def close(self) -> None:
        """Closes the open videos; a later read opens them again."""
        with self._lock:
            while self._videos:
                self._videos.popitem()[1].close()

    def _table(self, episode: EpisodeInfo) -> dict[str, NDArray[Any]]:
        if episode.name not in self._columns:
            with _Reporting(self, episode):
                self._columns[episode.name] = _read_columns(self._folder(episode) / COLUMNS_FILE, episode.length)
        return self._columns[episode.name]

    def _video(self, episode: EpisodeInfo) -> VideoReader:
        if episode.name in self._videos:
            self._videos.move_to_end(episode.name)
            return self._videos[episode.name]
        file = self._folder(episode) / VIDEO_FILE
        video = VideoReader(file)
        if video.size != self.meta.frame_size or video.length != episode.length:
            raise DatasetError(
                f"{file} should have {episode.length} frames of {self.meta.frame_size}; "
                f"it has {video.length} of {video.size}: restore it, or record it again"
            )
        self._videos[episode.name] = video
        if len(self._videos) > OPEN_VIDEOS:
            self._videos.popitem(last=False)[1].close()
        return video

    def _folder(self, episode: EpisodeInfo) -> Path:
        return self.path / EPISODES_FOLDER / episode.name

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "meta": self.meta, "episodes": self._episodes, "damaged": self.damaged}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


class _Reporting:
    """Enters the episode into `damaged` when reading it raises `DatasetError`."""

    def __init__(self, dataset: Dataset, episode: EpisodeInfo) -> None:
        self._dataset, self._episode = dataset, episode

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        known = {name for name, _ in self._dataset.damaged}
        if isinstance(error, DatasetError) and self._episode.name not in known:
            self._dataset.damaged.append((self._episode.name, str(error)))


def _window(episode: EpisodeInfo, start: int, stop: int | None) -> tuple[int, int]:
    last = episode.length if stop is None else stop
    if not 0 <= start <= last <= episode.length:
        raise BadInputError(f"episode {episode.name} has frames 0 to {episode.length}; got a window {start} to {last}")
    return start, last


def _wrong_with(path: Path, episode: EpisodeInfo) -> str:
    """Why the episode's files cannot be whole, or empty."""
    folder = path / EPISODES_FOLDER / episode.name
    for file, size in ((VIDEO_FILE, episode.video_bytes), (COLUMNS_FILE, episode.columns_bytes)):
        try:
            actual = (folder / file).stat().st_size
        except OSError:
            return f"{file} is missing"
        if actual != size:
            return f"{file} has {actual} bytes instead of {size}"
    try:
        json.loads((folder / EPISODE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"{EPISODE_FILE} is missing or unreadable"
    return ""


def _read_columns(file: Path, length: int) -> dict[str, NDArray[Any]]:
    try:
        table = pq.read_table(file, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{file} is damaged ({error}); restore it, or record the episode again") from error
    if table.num_rows != length:
        raise DatasetError(f"{file} should have {length} rows; it has {table.num_rows}")
    return {name: _array(table.column(name).combine_chunks()) for name in table.column_names}


def _array(column: pa.Array) -> NDArray[Any]:
    if pa.types.is_dictionary(column.type):
        return np.array(column.to_pylist())
    if pa.types.is_fixed_size_list(column.type):
        values: NDArray[Any] = column.flatten().to_numpy(zero_copy_only=False)
        return values.reshape(len(column), column.type.list_size)
    plain: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return plain
