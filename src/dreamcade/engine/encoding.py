"""Encodes the pictures of one batch, several at once where there are cores for that."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from dreamcade.core.types import Pixels

Encode = Callable[[Pixels], bytes]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture's bytes, and how many milliseconds its own encoding took."""

    data: bytes
    ms: float


class PictureEncoder:
    """`encode` by so many threads. With one there are none: whoever asks for a picture encodes it, and so it is with a
    picture that is alone, which no thread could share."""

    def __init__(self, encode: Encode, threads: int) -> None:
        self._encode = encode
        self._pool = ThreadPoolExecutor(threads, "dreamcade-encoding") if threads > 1 else None

    def begin(self, pictures: Sequence[Pixels]) -> list[Callable[[], Encoded]]:
        """For each uint8 `[H, W, 3]`, what waits for it or encodes it, and raises what `encode` did."""
        if self._pool is None or len(pictures) < 2:
            return [partial(self._timed, pixels) for pixels in pictures]
        return [self._pool.submit(self._timed, pixels).result for pixels in pictures]

    def stop(self) -> None:
        """Ends the threads, once they have encoded what was begun."""
        if self._pool is not None:
            self._pool.shutdown()

    def _timed(self, pixels: Pixels) -> Encoded:
        began = time.perf_counter()
        data = self._encode(pixels)
        return Encoded(data, (time.perf_counter() - began) * 1000.0)
