"""Frames ↔ H.264: visually lossless, 4:4:4, and any frame reachable by decoding at most one group of pictures."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.video.stream import VideoStream

from dreamcade.core.errors import DatasetError
from dreamcade.core.types import Pixels

GROUP = 16
"""Frames per group of pictures: the most that a random access decodes in vain."""
# One thread: recording uses one process per core, and the bytes must not depend on the machine's cores.
ENCODER_OPTIONS = {
    "crf": "14",
    "preset": "ultrafast",
    "g": str(GROUP),
    "keyint_min": str(GROUP),
    "bf": "0",
    "threads": "1",
    "sc_threshold": "0",
}


@contextmanager
def _disk_errors() -> Iterator[None]:
    """PyAV's own class for a full disk becomes the `OSError` that the rest of Python raises."""
    try:
        yield
    except av.FFmpegError as error:
        if error.errno == errno.ENOSPC:
            raise OSError(errno.ENOSPC, "no space left on device") from error
        raise


def _rate(tick_rate: float) -> Fraction:
    return Fraction(tick_rate).limit_denominator(1000)


class VideoWriter:
    """Writes frames uint8 `[H, W, 3]` of one size to `path`; a context manager."""

    def __init__(self, path: Path, size: tuple[int, int], tick_rate: float) -> None:
        self._container = av.open(str(path), "w", format="mp4")
        self._stream: VideoStream = self._container.add_stream("libx264", rate=_rate(tick_rate))
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv444p"
        self._stream.options = dict(ENCODER_OPTIONS)
        self._stream.codec_context.thread_count = 1
        self._count = 0

    def append(self, frame: Pixels) -> None:
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
        picture.pts = self._count
        self._count += 1
        with _disk_errors():
            self._container.mux(self._stream.encode(picture))

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _disk_errors():
            try:
                if kind is None:
                    self._container.mux(self._stream.encode(None))
            finally:
                self._container.close()


class VideoReader:
    """Random access to the frames of one video. Raises `DatasetError` naming the file where it is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._container = av.open(str(path))
            self._stream = self._container.streams.video[0]
        except (av.FFmpegError, OSError, IndexError) as error:
            raise DatasetError(f"{path} cannot be opened as a video ({error})") from error
        self._stream.codec_context.thread_count = 1
        self.length = self._stream.frames
        self.size = (self._stream.width, self._stream.height)
        assert self._stream.average_rate is not None
        assert self._stream.time_base is not None
        self._tick = Fraction(1, 1) / self._stream.average_rate / self._stream.time_base
        self._next = -1
        self._frames: Iterator[av.VideoFrame] = iter(())

    def read(self, start: int, stop: int) -> Pixels:
        """Frames `start` to `stop` − 1, uint8 `[T, H, W, 3]`."""
        frames = np.empty((stop - start, self.size[1], self.size[0], 3), np.uint8)
        if stop <= start:
            return frames
        try:
            self._go_to(start)
            for row, index in enumerate(range(start, stop)):
                picture = self._decode(index)
                frames[row] = picture.to_ndarray(format="rgb24")
        except (av.FFmpegError, StopIteration, OSError) as error:
            self._next = -1
            raise DatasetError(f"{self._path} is damaged between frames {start} and {stop} ({error})") from error
        return frames

    def _go_to(self, start: int) -> None:
        if self._next <= start < self._next + GROUP and self._next >= 0:
            return
        # Rounded down to its group's first frame: seeking backwards lands there exactly.
        self._container.seek(math.floor(start * self._tick), stream=self._stream, backward=True)
        self._frames = self._container.decode(self._stream)
        self._next = -1

    def _decode(self, index: int) -> av.VideoFrame:
        while True:
            picture = next(self._frames)
            if picture.pts is None:
                raise StopIteration
            self._next = round(picture.pts / self._tick) + 1
            if self._next == index + 1:
                return picture
            if self._next > index + 1:
                raise DatasetError(f"{self._path} is damaged: frame {index} is missing")

    def close(self) -> None:
        self._container.close()
