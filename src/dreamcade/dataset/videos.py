"""A folder of videos with actions beside them becomes episodes.

    play-1.mp4      any video that FFmpeg reads
    play-1.csv      or .json, or .parquet: what was pressed, one row per change

Rows have `time` (seconds from the beginning of the video) and one value per control; each holds until the next row's
time. JSON is a list of objects. Both are resampled to the world's ticks: tick k shows the video's newest frame at
k / tick rate, and the action is what was in force in the middle of the tick that follows.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from dreamcade.core.bindings import AXIS_KEYS, FREE_KEYS
from dreamcade.core.controls import Axis, Button, Controls
from dreamcade.core.errors import BadInputError, DatasetError
from dreamcade.core.types import ActionVector, Pixels

VIDEO_ENDINGS = (".mp4", ".mkv", ".webm", ".mov", ".avi")
ACTION_ENDINGS = (".csv", ".json", ".parquet")
TIME = "time"
LONGEST_GAP = 0.5
"""Seconds without a frame from which on a video is said to have a hole."""
FASTEST_RATE = 30.0


@dataclass(frozen=True, slots=True)
class Track:
    """What was pressed during one video: `times` `[N]` in seconds, rising, and the value of each control `[N]`."""

    times: NDArray[np.float64]
    values: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Film:
    """One video and its actions. `size` is (width, height), `rate` frames a second, `seconds` its length."""

    video: Path
    actions: Path
    size: tuple[int, int]
    rate: float
    seconds: float
    track: Track

    @property
    def seed(self) -> int:
        """A number that stays with the file's name, whatever other files come and go."""
        return int.from_bytes(hashlib.sha256(self.video.stem.encode()).digest()[:4], "big")


@dataclass(frozen=True, slots=True)
class Step:
    """One tick of an episode: frame uint8 `[H, W, 3]`, action float32 `[A]`, columns."""

    frame: Pixels
    action: ActionVector
    columns: Mapping[str, Any]


def find_films(folder: Path, besides: Path | None = None) -> tuple[list[Film], list[str]]:
    """Every video in `folder` that has actions beside it, and what is wrong with the others, by file and time.

    `besides` is a file that may lie there and is neither. Raises `DatasetError` where there is no video at all.
    """
    videos = sorted(p for p in folder.glob("*") if p.suffix.lower() in VIDEO_ENDINGS) if folder.is_dir() else []
    if not videos:
        raise DatasetError(f"{folder} holds no videos ({', '.join(VIDEO_ENDINGS)}); name the folder that they are in")
    films, wrong = [], []
    for video in videos:
        try:
            films.append(_film(video))
        except DatasetError as error:
            wrong.append(str(error))
    stems = {video.stem for video in videos}
    others = (p for p in sorted(folder.glob("*")) if besides is None or p.resolve() != besides.resolve())
    alone = (p for p in others if p.suffix.lower() in ACTION_ENDINGS and p.stem not in stems)
    wrong += [f"{path.name}: there is no video of that name" for path in alone]
    return films, wrong


def _film(video: Path) -> Film:
    beside = [video.with_suffix(ending) for ending in ACTION_ENDINGS if video.with_suffix(ending).exists()]
    if len(beside) != 1:
        found = " and ".join(p.name for p in beside) or "none"
        raise DatasetError(
            f"{video.name}: needs one file of actions beside it, {video.stem}.csv, .json or .parquet; got {found}"
        )
    try:
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            rate = float(stream.average_rate or 0)
            seconds = container.duration / av.time_base if container.duration else 0.0
            size = stream.width, stream.height
    except (av.FFmpegError, OSError, IndexError) as error:
        raise DatasetError(f"{video.name}: cannot be read as a video ({error})") from error
    if rate <= 0 or seconds <= 0:
        raise DatasetError(f"{video.name}: does not say how long it is or how fast it runs")
    track = read_track(beside[0])
    if track.times[0] > 1.0 / rate + 1e-6:
        raise DatasetError(f"{beside[0].name}: the actions begin at {track.times[0]:.2f} s, the video at 0 s")
    if track.times[-1] > seconds + 1.0:
        raise DatasetError(
            f"{beside[0].name}: there are actions until {track.times[-1]:.2f} s, the video ends at {seconds:.2f} s"
        )
    return Film(video, beside[0], size, rate, seconds, track)


def read_track(path: Path) -> Track:
    """The actions in a file. Raises `DatasetError` that names the file, and the time or the row that is wrong."""
    try:
        columns = {".csv": _from_csv, ".json": _from_json, ".parquet": _from_parquet}[path.suffix.lower()](path)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, pa.ArrowException) as error:
        raise DatasetError(f"{path.name}: cannot be read as actions ({type(error).__name__}: {error})") from error
    if TIME not in columns or len(columns) < 2 or not len(columns[TIME]):
        raise DatasetError(
            f"{path.name}: needs a column {TIME!r} (seconds) and one per control; got {', '.join(columns) or 'none'}"
        )
    times = columns.pop(TIME)
    for name, values in {TIME: times, **columns}.items():
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise DatasetError(f"{path.name}: {name!r} is no number in row {bad[0] + 1}")
    backwards = np.flatnonzero(np.diff(times) <= 0)
    if len(backwards):
        row = int(backwards[0])
        raise DatasetError(f"{path.name}: times must rise; {times[row + 1]:.3f} s follows {times[row]:.3f} s")
    return Track(times, columns)


def _from_csv(path: Path) -> dict[str, NDArray[np.float64]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    return _table(rows)


def _from_json(path: Path) -> dict[str, NDArray[np.float64]]:
    return _table(json.loads(path.read_text(encoding="utf-8")))


def _table(rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[np.float64]]:
    names = list(rows[0]) if rows else []
    return {name.strip(): np.array([_number(row.get(name)) for row in rows]) for name in names}


def _number(value: Any) -> float:
    """A number or a truth value; NaN for anything else, which is reported with its row."""
    try:
        return {"true": 1.0, "false": 0.0}.get(str(value).strip().lower()) or float(value)
    except (TypeError, ValueError):
        return 0.0 if str(value).strip().lower() == "false" else math.nan


def _from_parquet(path: Path) -> dict[str, NDArray[np.float64]]:
    table = pq.read_table(path)
    return {name: table.column(name).to_numpy().astype(np.float64) for name in table.column_names}


def derive_controls(films: Sequence[Film]) -> Controls:
    """A button for every column that is only ever 0 or 1, an axis for any other; keys in turn. Where files have
    different columns, those that most of them have count.

    Raises `BadInputError` for a column that leaves −1…1: nobody has said what it means.
    """
    usual = Counter(frozenset(film.track.values) for film in films).most_common(1)[0][0]
    films = [film for film in films if usual == set(film.track.values)]
    names = list(films[0].track.values)
    axes: list[Axis] = []
    buttons: list[Button] = []
    for name in names:
        values = np.concatenate([film.track.values[name] for film in films])
        if np.isin(values, (0.0, 1.0)).all():
            buttons.append(Button(name, FREE_KEYS[(4 + len(buttons)) % len(FREE_KEYS)], "", "right", name))
            continue
        if np.abs(values).max() > 1:
            raise BadInputError(f"the actions {name!r} reach {np.abs(values).max():g}; scale them to −1…1 (or 0…1)")
        down, up = AXIS_KEYS[len(axes) % len(AXIS_KEYS)]
        axes.append(
            Axis(name, -1.0 if values.min() < 0 else 0.0, 1.0, down if values.min() < 0 else (), up, "", "left", name)
        )
    return Controls(tuple(axes), tuple(buttons))


def common_rate(films: Sequence[Film]) -> float:
    """Ticks a second that suit all films: the slowest one's rate, halved until it is at most `FASTEST_RATE`."""
    rate = min(film.rate for film in films)
    while rate > FASTEST_RATE:
        rate /= 2
    return float(Fraction(rate).limit_denominator(100))


def check_film(film: Film, controls: Controls) -> str | None:
    """What keeps a film's actions from fitting `controls`, by file and time; None where they fit."""
    have, want = set(film.track.values), set(controls.names)
    if have != want:
        missing, extra = ", ".join(sorted(want - have)), ", ".join(sorted(have - want))
        parts = [f"lacks {missing}" if missing else "", f"has {extra} that no control is called" if extra else ""]
        return f"{film.actions.name}: {' and '.join(p for p in parts if p)}"
    low, high = controls.bounds()
    for name, least, most in zip(controls.names, low, high, strict=True):
        values = film.track.values[name]
        outside = np.flatnonzero((values < least - 1e-6) | (values > most + 1e-6))
        if len(outside):
            row = int(outside[0])
            where = f"{film.actions.name}: {name!r} is {values[row]:g} at {film.track.times[row]:.2f} s"
            return f"{where}; it must be {least:g} to {most:g}"
    return None


def play_film(film: Film, controls: Controls, size: tuple[int, int], tick_rate: float) -> Iterator[Step]:
    """The film tick by tick, scaled to `size`. Raises `DatasetError` where the video has a hole, by file and time."""
    end = min(film.seconds, film.track.times[-1] + 1.0)
    shown: Pixels | None = None
    tick = 0
    for time, picture in _pictures(film.video, size):
        while shown is not None and tick / tick_rate < time - 1e-6:
            if tick / tick_rate >= end:
                return
            yield Step(shown, _action_at(film.track, controls, (tick + 0.5) / tick_rate), {"source": film.video.name})
            tick += 1
        shown = picture
    while shown is not None and tick / tick_rate < end:
        yield Step(shown, _action_at(film.track, controls, (tick + 0.5) / tick_rate), {"source": film.video.name})
        tick += 1


def _pictures(video: Path, size: tuple[int, int]) -> Iterator[tuple[float, Pixels]]:
    """Seconds and frames uint8 `[H, W, 3]` of `size`."""
    before = 0.0
    try:
        with av.open(str(video)) as container:
            for picture in container.decode(video=0):
                time = float(picture.time or 0.0)
                if time - before > LONGEST_GAP:
                    raise DatasetError(f"{video.name}: there is no frame between {before:.2f} s and {time:.2f} s")
                before = time
                image = Image.fromarray(picture.to_ndarray(format="rgb24"))
                smaller = image.width > size[0]
                yield (
                    time,
                    np.asarray(image.resize(size, Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR)),
                )
    except av.FFmpegError as error:
        raise DatasetError(f"{video.name}: is damaged after {before:.2f} s ({error})") from error


def _action_at(track: Track, controls: Controls, time: float) -> ActionVector:
    row = max(0, int(np.searchsorted(track.times, time, "right")) - 1)
    return controls.validate([track.values[name][row] for name in controls.names])
