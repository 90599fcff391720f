from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from dreamcade.core.types import Pixels
from dreamcade.engine.encoding import PictureEncoder


def pictures(count: int) -> list[Pixels]:
    return [np.full((2, 2, 3), number, np.uint8) for number in range(count)]


class Slow:
    """An encoder that sleeps, counts how many are inside at once, and breaks on some pictures."""

    def __init__(self, seconds: float = 0.02, broken: frozenset[int] = frozenset()) -> None:
        self.seconds, self.broken = seconds, broken
        self.inside = self.most = 0
        self.threads: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, pixels: Pixels) -> bytes:
        number = int(pixels[0, 0, 0])
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.threads.add(threading.current_thread().name)
        time.sleep(self.seconds * (1 + number % 3))
        with self._lock:
            self.inside -= 1
        if number in self.broken:
            raise OSError(f"picture {number} broke")
        return bytes([number])


@pytest.mark.parametrize(("threads", "count"), [(3, 8), (4, 2)])
def test_as_many_are_encoded_at_once_as_there_are_threads_and_each_keeps_its_place(threads: int, count: int) -> None:
    encode = Slow()
    encoder = PictureEncoder(encode, threads)
    encoded = [wait() for wait in encoder.begin(pictures(count))]
    encoder.stop()
    assert [one.data for one in encoded] == [bytes([number]) for number in range(count)]
    assert encode.most == min(threads, count)
    for number, one in enumerate(encoded):
        assert one.ms >= 1e3 * encode.seconds * (1 + number % 3), "its own time, not the batch's"


def test_one_thread_is_the_callers_own_and_encodes_when_it_is_asked() -> None:
    encode = Slow(0.001)
    encoder = PictureEncoder(encode, 1)
    waiting = encoder.begin(pictures(3))
    assert not encode.threads, "nothing was asked for yet"
    assert [wait().data for wait in waiting] == [b"\0", b"\1", b"\2"]
    assert encode.most == 1
    assert encode.threads == {threading.current_thread().name}
    encoder.stop()


def test_a_picture_alone_goes_to_nobody_else() -> None:
    encode = Slow(0.001)
    encoder = PictureEncoder(encode, 4)
    assert encoder.begin(pictures(1))[0]().data == b"\0"
    assert encode.threads == {threading.current_thread().name}
    encoder.stop()


def test_a_failure_is_its_own_pictures() -> None:
    encoder = PictureEncoder(Slow(0.001, frozenset({1})), 3)
    first, broken, last = encoder.begin(pictures(3))
    assert first().data == b"\0"
    with pytest.raises(OSError, match="picture 1 broke"):
        broken()
    assert last().data == b"\2"
    encoder.stop()


def test_what_was_begun_is_encoded_before_the_threads_end() -> None:
    before = set(threading.enumerate())
    encoder = PictureEncoder(Slow(0.005), 2)
    waiting = encoder.begin(pictures(6))
    assert len(set(threading.enumerate()) - before) == 2
    encoder.stop()
    assert set(threading.enumerate()) <= before
    assert [wait().data[0] for wait in waiting] == list(range(6))
