"""A folder of videos with actions beside them becomes episodes.

    play-1.mp4      any video that FFmpeg reads
    play-1.csv      or .json, or .parquet: what was pressed, one row per change (see `tracks`)

Both are resampled to the world's ticks: tick k shows the video's newest frame at k / tick rate, and the action is what
was in force in the middle of the tick that follows. Time begins with the video's first frame, and a video is cut into
episodes of equal length.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from dreamcade.core.controls import Controls
from dreamcade.core.errors import DatasetError
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.dataset.format import LEAST_TICKS
from dreamcade.dataset.tracks import Track, read_track

VIDEO_ENDINGS = (".mp4", ".mkv", ".webm", ".mov", ".avi")
ACTION_ENDINGS = (".csv", ".json", ".parquet")
LONGEST_GAP = 0.5
"""Seconds without a frame from which on a video is said to have a hole."""
FASTEST_RATE = 30.0
PIECES = 10_000
"""A film's seeds: its number times this, and on from there."""
NUMBERS = 100_000_000
DIGEST = "source_sha256"
"""Column that tells from which content of the two files an episode was made."""


@dataclass(frozen=True, slots=True)
class Film:
    """One video and its actions. `size` is (width, height), `rate` frames a second, `begins` the first frame's own
    time, `seconds` from it to the last one's end, `digest` of the content of both files."""

    video: Path
    track: Track
    size: tuple[int, int]
    rate: float
    begins: float
    seconds: float
    digest: str

    @property
    def number(self) -> int:
        """Stays with the file's name, whatever other files come and go."""
        return int.from_bytes(hashlib.sha256(self.video.stem.encode()).digest()[:8], "big") % NUMBERS

    def ticks(self, tick_rate: float) -> int:
        """How many ticks it lasts."""
        return math.ceil(self.seconds * tick_rate - 1e-3)

    def pieces(self, tick_rate: float, ticks: int) -> dict[int, int]:
        """Seed → length of each of its episodes, in their order: see `cut`."""
        return {self.number * PIECES + i: length for i, length in enumerate(cut(self.ticks(tick_rate), ticks))}

    def unfit(self, tick_rate: float, ticks: int) -> str | None:
        """What keeps it from being cut into episodes of `ticks` ticks; None where it can be."""
        total, count = self.ticks(tick_rate), len(cut(self.ticks(tick_rate), ticks))
        if not count:
            least = min(ticks, LEAST_TICKS)
            return f"{self.video.name}: lasts {total} ticks ({tick_rate:g} a second); training needs {least}"
        return (
            f"{self.video.name}: makes {count} episodes, more than {PIECES}; raise --ticks" if count > PIECES else None
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One tick of an episode: frame uint8 `[H, W, 3]`, action float32 `[A]`, columns."""

    frame: Pixels
    action: ActionVector
    columns: Mapping[str, Any]


def film_of(seed: int) -> int:
    """The number of the film that the episode with this seed was cut from."""
    return seed // PIECES


def cut(total: int, ticks: int) -> list[int]:
    """Lengths of the episodes of `total` ticks: `ticks` each, and what remains. A rest that is too short to train on
    joins the episode before it; without such a one there is none at all."""
    lengths = [ticks] * (total // ticks)
    rest = total % ticks
    if rest >= min(ticks, LEAST_TICKS):
        return [*lengths, rest]
    return [*lengths[:-1], lengths[-1] + rest] if lengths else []


def find_films(folder: Path, besides: Path | None = None) -> tuple[list[Film], list[str]]:
    """Every video in `folder` that has actions beside it, and what is wrong with the others, by file and time.

    `besides` is a file that may lie there and is neither. Raises `DatasetError` where there is no video at all.
    """
    videos = sorted(p for p in folder.glob("*") if p.suffix.lower() in VIDEO_ENDINGS) if folder.is_dir() else []
    if not videos:
        raise DatasetError(f"{folder} holds no videos ({', '.join(VIDEO_ENDINGS)}); name the folder that they are in")
    films: dict[int, Film] = {}
    wrong = []
    for video in videos:
        try:
            film = _film(video)
        except DatasetError as error:
            wrong.append(str(error))
            continue
        if film.number in films:
            wrong.append(f"{video.name}: cannot be told from {films[film.number].video.name} by its name; rename it")
            continue
        films[film.number] = film
    stems = {video.stem for video in videos}
    others = (p for p in sorted(folder.glob("*")) if besides is None or p.resolve() != besides.resolve())
    alone = (p for p in others if p.suffix.lower() in ACTION_ENDINGS and p.stem not in stems)
    wrong += [f"{path.name}: there is no video of that name" for path in alone]
    return [*films.values()], wrong


def _film(video: Path) -> Film:
    beside = [video.with_suffix(ending) for ending in ACTION_ENDINGS if video.with_suffix(ending).exists()]
    if len(beside) != 1:
        found = " and ".join(p.name for p in beside) or "none"
        raise DatasetError(
            f"{video.name}: needs one file of actions beside it, {video.stem}.csv, .json or .parquet; got {found}"
        )
    size, rate, begins, seconds = _timing(video)
    track = read_track(beside[0])
    if track.times[0] > 1.0 / rate + 1e-6:
        raise DatasetError(f"{track.file}: the actions begin at {track.times[0]:.2f} s, the video at 0 s")
    if track.times[-1] > seconds + 1.0:
        raise DatasetError(
            f"{track.file}: there are actions until {track.times[-1]:.2f} s, the video ends at {seconds:.2f} s"
        )
    return Film(video, track, size, rate, begins, seconds, _digest(video, beside[0]))


def _timing(video: Path) -> tuple[tuple[int, int], float, float, float]:
    """Size, rate, first frame's time and length of a video, from its packets: what a file says of itself may count its
    sound, or time before its first frame. Raises `DatasetError` where it has a hole, by file and time."""
    try:
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            shown_ones = (p for p in container.demux(stream) if not p.is_discard)  # others were cut off at the front
            packets = [(p.pts if p.pts is not None else p.dts, p.duration or 0) for p in shown_ones]
            unit, size, rate = float(stream.time_base or 0), (stream.width, stream.height), stream.average_rate
    except (av.FFmpegError, OSError, IndexError) as error:
        raise DatasetError(f"{video.name}: cannot be read as a video ({error})") from error
    shown = sorted((start * unit, duration * unit) for start, duration in packets if start is not None)
    if not rate or not shown or not unit:
        raise DatasetError(f"{video.name}: does not say how long it is or how fast it runs")
    begins = shown[0][0]
    times = np.array([start for start, _ in shown]) - begins
    for before, after in pairwise(times):
        _expect_no_hole(video, before, after)
    last = shown[-1][1] or 1.0 / float(rate)
    return size, float(rate), begins, float(times[-1]) + last


def _expect_no_hole(video: Path, before: float, after: float) -> None:
    if after - before > LONGEST_GAP:
        raise DatasetError(f"{video.name}: there is no frame between {before:.2f} s and {after:.2f} s")


def _digest(*files: Path) -> str:
    parts = []
    for path in files:
        try:
            with path.open("rb") as file:
                parts.append(hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            raise DatasetError(f"{path.name}: cannot be read ({error})") from error
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def common_rate(films: Sequence[Film]) -> float:
    """Ticks a second that suit all films: the slowest one's rate, halved until it is at most `FASTEST_RATE`."""
    rate = min(film.rate for film in films)
    while rate > FASTEST_RATE:
        rate /= 2
    return float(Fraction(rate).limit_denominator(100))


def play_film(film: Film, controls: Controls, size: tuple[int, int], tick_rate: float) -> Iterator[Step]:
    """The film tick by tick, scaled to `size`. Raises `DatasetError` where it is damaged, by file and time."""
    columns = {"source": film.video.name, DIGEST: film.digest}
    for tick, frame in enumerate(_ticked(film, size, tick_rate)):
        yield Step(frame, film.track.at((tick + 0.5) / tick_rate, controls), columns)


def _ticked(film: Film, size: tuple[int, int], tick_rate: float) -> Iterator[Pixels]:
    """The newest frame at every tick, uint8 `[H, W, 3]`; the last is held to the film's end."""
    shown: Pixels | None = None
    tick, count = 0, film.ticks(tick_rate)
    for time, picture in _pictures(film, size):
        while shown is not None and tick < count and tick / tick_rate < time - 1e-6:
            yield shown
            tick += 1
        shown = picture
    if shown is None:
        raise DatasetError(f"{film.video.name}: not one frame of it can be decoded")
    while tick < count:
        yield shown
        tick += 1


def _pictures(film: Film, size: tuple[int, int]) -> Iterator[tuple[float, Pixels]]:
    """Seconds from the film's beginning and frames uint8 `[H, W, 3]` of `size`."""
    before = 0.0
    try:
        with av.open(str(film.video)) as container:
            for picture in container.decode(video=0):
                time = float(picture.time or 0.0) - film.begins
                _expect_no_hole(film.video, before, time)
                before = time
                image = Image.fromarray(picture.to_ndarray(format="rgb24"))
                smaller = image.width > size[0]
                yield (
                    time,
                    np.asarray(image.resize(size, Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR)),
                )
    except av.FFmpegError as error:
        raise DatasetError(f"{film.video.name}: is damaged after {before:.2f} s ({error})") from error
