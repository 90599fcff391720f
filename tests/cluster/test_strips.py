"""Strips on processes: the picture of one, the bytes that the formulas say, and an end when one is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from dreamcade.cluster.decoder_rank import DecoderRank, assemble
from dreamcade.cluster.meeting_place import MeetingPlace
from dreamcade.cluster.shares import shares
from dreamcade.cluster.strip_costs import codec_messages, decoder_messages, sent_bytes
from dreamcade.codec.strips import Strips
from dreamcade.core.errors import BadInputError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks processes")
COUNT = 5
LIMIT = 30.0
"""Seconds for any answer."""
BOUND = 1e-5
"""Of the largest difference from one device, over the largest value, in float32. Measured: 1.1e-6."""
NOTICED = 10.0
"""Seconds in which a loss is noticed: patience is one, and what a busy machine adds."""
SCRIPT = Path(__file__).with_name("strip_ranks.py")


class Ranks:
    """Processes that wait for calls; all are killed in the end."""

    def __init__(self, script: ModuleType) -> None:
        self.script = script
        self._folder = tempfile.TemporaryDirectory()
        address = str(Path(self._folder.name) / "socket")
        self._parent: subprocess.Popen[bytes] | None = None
        self.pids: list[int] = []
        self._place = MeetingPlace()
        with Listener(address) as listener:
            listener._listener._socket.settimeout(LIMIT)  # type: ignore[attr-defined]
            self._parent = subprocess.Popen([sys.executable, str(SCRIPT), address, str(COUNT)])
            self._connections: list[Connection] = [listener.accept() for _ in range(COUNT)]
        self.pids = [self._answer(rank) for rank in range(COUNT)]

    def join(self, name: str, members: tuple[int, ...], patience: float | None = LIMIT / 2) -> None:
        """A group of these; None: as patient as is usual."""
        given = {"address": self._place.address, "name": name, "size": len(members), "patience": patience}
        self.call(members, "join", [dict(rank=rank, **given) for rank in range(len(members))])

    def call(self, members: tuple[int, ...], function: str, keywords: list[dict[str, Any]]) -> list[Any]:
        self.start(members, function, keywords)
        return self.answers(members)

    def start(self, members: tuple[int, ...], function: str, keywords: list[dict[str, Any]]) -> None:
        for member, given in zip(members, keywords, strict=True):
            self._connections[member].send((function, given))

    def _answer(self, member: int) -> Any:
        if not self._connections[member].poll(LIMIT):
            raise TimeoutError(f"rank {member} did not answer within {LIMIT} s")
        return self._connections[member].recv()

    def answers(self, members: tuple[int, ...]) -> list[Any]:
        """One of each; if an error is among them, it is raised."""
        answers = [self._answer(member) for member in members]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def kill(self) -> None:
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._parent is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._parent.wait(5)
            self._parent.kill()
            self._parent.wait(5)
        self._folder.cleanup()


def load_script() -> ModuleType:
    import importlib.util

    specification = importlib.util.spec_from_file_location("strip_ranks", SCRIPT)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ranks() -> Iterator[Ranks]:
    started = Ranks(load_script())
    try:
        for size in (2, 3, 5):
            started.join(str(size), tuple(range(size)))
        yield started
    finally:
        started.kill()


def draw(ranks: Ranks, name: str, size: int, **given: Any) -> list[dict[str, Any]]:
    return ranks.call(tuple(range(size)), "draw", size * [dict(name=name, **given)])


def at_seams(frames: np.ndarray, rows: tuple[int, ...]) -> np.ndarray:
    """The rows of pixels on both sides of where strips meet."""
    cell = frames.shape[2] // sum(rows)
    ends = cell * np.cumsum(rows)[:-1]
    return frames[:, :, np.sort(np.concatenate([ends - 1, ends]))]


SIZES = [(2, 5, 3, 1), (3, 8, 4, 2), (5, 7, 3, 1)]


@pytest.mark.parametrize("kind", ["plain", "fused", "codec"])
@pytest.mark.parametrize(("size", "height", "width", "batch"), SIZES)
def test_several_processes_draw_the_picture_of_one(
    ranks: Ranks, kind: str, size: int, height: int, width: int, batch: int
) -> None:
    given = {"kind": kind, "height": height, "width": width, "batch": batch}
    answers = draw(ranks, str(size), size, **given, dtype=torch.float32)
    got = np.concatenate([answer["frames"] for answer in answers], 2)
    expected = ranks.script.frames_of(kind, ranks.script.latents_of(**given), Strips()).numpy()
    assert got.shape == expected.shape and all(answer["same"] for answer in answers)
    largest, rows = np.abs(expected).max(), shares(height, size)
    assert np.abs(got - expected).max() < BOUND * largest
    assert np.abs(at_seams(got, rows) - at_seams(expected, rows)).max() < BOUND * largest


@pytest.mark.parametrize("kind", ["plain", "fused", "codec"])
def test_in_bfloat16_they_err_as_much_as_one(ranks: Ranks, kind: str) -> None:
    """Against float64, and no more where strips meet than elsewhere."""
    script, given = ranks.script, {"kind": kind, "height": 8, "width": 4}
    answers = draw(ranks, "3", 3, **given, dtype=torch.bfloat16)
    latents = script.latents_of(**given, dtype=torch.bfloat16)
    one = script.frames_of(kind, latents, Strips()).double().numpy()
    weights_rounded = _exact(script, kind, latents)
    got = np.concatenate([answer["frames"] for answer in answers], 2)
    rows = shares(8, 3)

    def error(frames: np.ndarray, exact: np.ndarray) -> float:
        return float(np.sqrt(np.square(frames - exact).mean() / np.square(weights_rounded).mean()))

    assert error(got, weights_rounded) < 1.5 * error(one, weights_rounded) < 0.05
    assert error(at_seams(got, rows), at_seams(weights_rounded, rows)) < 2 * error(one, weights_rounded)


def _exact(script: ModuleType, kind: str, latents: torch.Tensor) -> np.ndarray:
    """In float64, with weights that were rounded as those of the ranks are."""
    if kind == "codec":
        codec = script.random_weights(script.Codec(script.CODEC)).bfloat16().double()
        return codec.enlarge(codec.decode_pictures(latents.double())).numpy()
    decoder = script.random_weights(script.ConvolutionalDecoder(script.DECODER)).bfloat16().double()
    return decoder(latents.double()).numpy()


@pytest.mark.parametrize("kind", ["plain", "fused", "codec"])
@pytest.mark.parametrize(("size", "height", "width", "batch"), SIZES)
def test_the_formulas_count_what_is_sent(
    ranks: Ranks, kind: str, size: int, height: int, width: int, batch: int
) -> None:
    if kind == "codec":
        height, width = ranks.script.CODEC.latent_shape[1:]
    given = {"kind": kind, "height": height, "width": width, "batch": batch}
    for dtype in (torch.float32, torch.bfloat16):
        answers = draw(ranks, str(size), size, **given, dtype=dtype)
        if kind == "codec":
            messages = codec_messages(ranks.script.CODEC, size, size=dtype.itemsize, batch=batch)
        else:
            config, fused = ranks.script.DECODER, kind == "fused"
            messages = decoder_messages(config, height, width, size, fused=fused, size=dtype.itemsize, batch=batch)
        assert [answer["exchanges"] for answer in answers] == size * [len(messages)]
        assert [answer["sent"] for answer in answers] == [sent_bytes(messages, size, i) for i in range(size)]


@pytest.mark.parametrize("kind", ["convolutional", "codec"])
def test_decoders_of_a_pipeline_draw_rows_of_pixels(ranks: Ranks, kind: str) -> None:
    """Bytes: where a value lies between two of them, either may be right."""
    given = {"kind": kind, "height": 8, "width": 4}
    whole = DecoderRank(ranks.script.network_of(kind)).draw(ranks.script.latents_of(**given))
    strips = ranks.call((0, 1, 2), "draw_pixels", 3 * [dict(name="3", **given)])
    frames = assemble([torch.from_numpy(strip) for strip in strips])
    assert frames.dtype is torch.uint8 and frames.shape == whole.shape and frames.is_contiguous()
    assert (frames.int() - whole.int()).abs().max() <= 1 and (frames != whole).float().mean() < 1e-3
    assert whole.float().std() > 10


def test_the_first_frame_may_take_its_time(ranks: Ranks) -> None:
    given = [{"name": "3", "patience": 0.2, "late": late} for late in (0, 0.6, 0)]
    assert ranks.call((0, 1, 2), "warm_up", given) == ["warm", "warm", "warm"]


def test_strips_of_different_frames_are_not_put_together() -> None:
    with pytest.raises(BadInputError, match="strips must be of the same frames"):
        assemble([torch.zeros(1, 4, 6, 3), torch.zeros(2, 4, 6, 3)])


def test_one_strip_sends_nothing(ranks: Ranks) -> None:
    assert decoder_messages(ranks.script.DECODER, 6, 9, 1) == codec_messages(ranks.script.CODEC, 1) == []


def test_more_strips_than_rows_are_refused(ranks: Ranks) -> None:
    with pytest.raises(BadInputError, match="2 can be shared by 1 to 2 devices; got 3"):
        draw(ranks, "3", 3, kind="fused", height=2, width=3, dtype=torch.float32)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_rank_is_noticed_and_the_others_go_on(ranks: Ranks, how: signal.Signals) -> None:
    """First the last of all, which dies; then one in the middle of those left, which hangs."""
    members = (0, 1, 2, 3, 4) if how is signal.SIGKILL else (0, 1, 2, 3)
    lost = 4 if how is signal.SIGKILL else 1
    left = tuple(member for member in members if member != lost)
    name = f"until {how.name}"
    ranks.join(name, members, patience=None)
    ranks.start(members, "draw_until_lost", len(members) * [{"name": name, "height": 8, "width": 3}])
    time.sleep(0.3)
    os.kill(ranks.pids[lost], how)
    gone = time.monotonic()
    for answer in ranks.answers(left):
        assert answer["noticed"] is not None, answer["message"]
        assert answer["noticed"] - gone < NOTICED
        assert "form a new group of those that are left" in answer["message"]
    ranks.join(f"after {how.name}", left)
    given = {"kind": "fused", "height": 8, "width": 3}
    answers = ranks.call(left, "draw", len(left) * [dict(name=f"after {how.name}", **given, dtype=torch.float32)])
    got = np.concatenate([answer["frames"] for answer in answers], 2)
    expected = ranks.script.frames_of("fused", ranks.script.latents_of(**given), Strips()).numpy()
    assert np.abs(got - expected).max() < BOUND * np.abs(expected).max()
