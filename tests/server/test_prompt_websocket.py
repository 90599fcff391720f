"""A player who does not read for a while gets the newest frame then, not all that were missed."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time

import numpy as np
import pytest
from websockets.sync.client import ClientConnection, connect

from dreamcade.server.arcade import Arcade
from dreamcade.server.control_messages import Hello, dump_control
from dreamcade.server.encoding import encode_jpeg
from dreamcade.server.listen import bind, serve
from dreamcade.server.protocol import FrameMessage, unpack_frame
from dreamcade.server.stage import Stage

NOISE = encode_jpeg(np.random.default_rng(0).integers(0, 255, (160, 240, 3), np.uint8))
STALL_SECONDS = 2.0


@pytest.fixture
def port(make_stage) -> int:  # type: ignore[no-untyped-def]
    """A server whose world sends fifty frames of 30 KB a second."""
    stage: Stage = make_stage("meadow")
    attach = stage.loop.attach

    def attach_noise(session, sink, on_error=None, on_notice=None):  # type: ignore[no-untyped-def]
        def send_noise(frame):  # type: ignore[no-untyped-def]
            sink(dataclasses.replace(frame, data=NOISE))

        return attach(session, send_noise, on_error, on_notice)

    stage.loop.attach = attach_noise  # type: ignore[method-assign]
    arcade = Arcade(lambda: ["meadow"], lambda name: stage)
    listener = bind("127.0.0.1", 0)
    server = threading.Thread(target=serve, args=(arcade, listener, "127.0.0.1"), daemon=True)
    server.start()
    return int(listener.getsockname()[1])


def next_frame(line: ClientConnection) -> FrameMessage:
    while True:
        if isinstance(data := line.recv(timeout=10), bytes):
            return unpack_frame(data)


def test_after_a_stall_the_picture_is_new(port: int) -> None:
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)  # what the far end holds is not ours to bound
    narrow.connect(("127.0.0.1", port))
    with connect(f"ws://127.0.0.1:{port}/play", sock=narrow, compression=None, max_queue=1) as line:
        line.send(dump_control(Hello("meadow")))
        before = next_frame(line).tick
        time.sleep(STALL_SECONDS)
        ticks, dropped = [], 0
        while not ticks or ticks[-1] < before + 45 * STALL_SECONDS:
            frame = next_frame(line)
            ticks.append(frame.tick)
            dropped = frame.dropped
        print(f"{len(ticks) - 1} old frames of {len(NOISE)} bytes came first; {dropped} were skipped")
    assert len(ticks) <= 8, "old frames came first"
    assert dropped > 20 * STALL_SECONDS
