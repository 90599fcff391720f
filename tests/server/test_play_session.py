from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import simplejpeg
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect, WebSocketState

from dreamcade.core.types import FrameKind, FrameTiming
from dreamcade.server import play_session
from dreamcade.server.arcade import Arcade
from dreamcade.server.control_messages import (
    Bye,
    ErrorMessage,
    Hello,
    Modes,
    Notice,
    Pause,
    Ready,
    Reset,
    Resume,
    ServerMessage,
    SetModes,
    dump_control,
    parse_server,
)
from dreamcade.server.play_session import MAX_MISTAKES
from dreamcade.server.protocol import FrameMessage, InputMessage, pack_input, unpack_frame


def next_message(socket: WebSocketTestSession) -> FrameMessage | ServerMessage:
    message = socket.receive()
    if message["type"] == "websocket.close":
        raise WebSocketDisconnect(message.get("code", 1000))
    if message.get("bytes") is not None:
        return unpack_frame(message["bytes"])
    return parse_server(message["text"])


def next_control(socket: WebSocketTestSession) -> ServerMessage:
    while True:
        message = next_message(socket)
        if not isinstance(message, FrameMessage):
            return message


def next_frame(socket: WebSocketTestSession, sequence: int = 0) -> FrameMessage:
    while True:
        message = next_message(socket)
        if isinstance(message, FrameMessage) and message.sequence >= sequence:
            return message


def steer(socket: WebSocketTestSession, value: float, sequence: int) -> None:
    socket.send_bytes(pack_input(InputMessage(np.array([value, 0, 0], np.float32), sequence, 12.5)))


@contextmanager
def playing(client: TestClient, **hello: str | int) -> Iterator[WebSocketTestSession]:
    with client.websocket_connect("ws://127.0.0.1:8710/play") as socket:
        socket.send_text(dump_control(Hello(**{"world": "meadow", **hello})))  # type: ignore[arg-type]
        assert isinstance(next_control(socket), Ready)
        assert isinstance(next_control(socket), Modes)
        yield socket


def brightness(frame: FrameMessage) -> float:
    return float(simplejpeg.decode_jpeg(frame.image).mean())


def test_frames_answer_the_newest_input_and_echo_its_clock(client: TestClient) -> None:
    with playing(client) as socket:
        steer(socket, -1.0, 1)
        left = next_frame(socket, sequence=1)
        steer(socket, 1.0, 2)
        right = next_frame(socket, sequence=2)
    assert brightness(left) < 60
    assert brightness(right) > 200
    assert (right.sequence, right.client_ms) == (2, 12.5)
    assert right.timing == FrameTiming(8.0, 3.0, 2.0, 1.0, 0.5, 9.0, FrameKind.EXTRAPOLATED, drafted=True)
    assert (right.tally.computed, right.tally.wasted) == (6, 5)
    assert right.tick > left.tick


def test_the_session_gets_the_seed_and_start_of_the_hello(client: TestClient, arcade: Arcade) -> None:
    with playing(client, start="dusk", seed=7):
        session = arcade.stage("meadow").engine.sessions[-1]  # type: ignore[attr-defined]
        assert (session.seed, session.start, session.closed) == (7, "dusk", False)


def test_a_session_ends_with_its_connection(client: TestClient, arcade: Arcade) -> None:
    with playing(client):
        pass
    stage = arcade.stage("meadow")
    deadline = time.monotonic() + 5
    while not stage.engine.sessions[-1].closed and time.monotonic() < deadline:  # type: ignore[attr-defined]
        time.sleep(0.01)
    assert stage.engine.sessions[-1].closed  # type: ignore[attr-defined]
    assert stage.loop.handles[-1].calls[-1] == "detach"  # type: ignore[attr-defined]


class Vanished:
    """A socket whose other end fell off the net: no frame is ever taken, and no goodbye comes."""

    application_state = WebSocketState.CONNECTED

    def __init__(self) -> None:
        self.said_hello = False

    async def receive(self) -> dict[str, str]:
        if self.said_hello:
            await asyncio.Event().wait()
        self.said_hello = True
        return {"type": "websocket.receive", "text": dump_control(Hello(world="meadow"))}

    async def send_text(self, text: str) -> None:
        pass

    async def send_bytes(self, data: bytes) -> None:
        await asyncio.Event().wait()

    async def close(self, code: int) -> None:
        pass


def test_a_player_who_vanished_gives_the_place_back(
    client: TestClient, arcade: Arcade, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play_session, "SEND_SECONDS", 0.2)

    async def play() -> None:
        await asyncio.wait_for(play_session.PlaySession(Vanished(), arcade).run(), 10)  # type: ignore[arg-type]

    asyncio.run(play())
    stage = arcade.stage("meadow")
    assert stage.engine.sessions[-1].closed  # type: ignore[attr-defined]
    assert stage.loop.handles[-1].calls[-1] == "detach"  # type: ignore[attr-defined]


def test_pause_resume_and_reset_reach_the_loop(client: TestClient, arcade: Arcade) -> None:
    with playing(client) as socket:
        for message in (Pause(), Resume(), Reset(seed=3, start="dusk"), Bye()):
            socket.send_text(dump_control(message))
        with pytest.raises(WebSocketDisconnect):
            next_control(socket)
    calls = arcade.stage("meadow").loop.handles[-1].calls  # type: ignore[attr-defined]
    assert calls[:3] == ["pause", "resume", "reset 3 dusk"]


def test_modes_are_told_and_switched(client: TestClient) -> None:
    with client.websocket_connect("ws://127.0.0.1:8710/play") as socket:
        socket.send_text(dump_control(Hello("meadow")))
        assert isinstance(next_control(socket), Ready)
        told = next_control(socket)
        assert isinstance(told, Modes)
        assert (told.pipeline, told.speculation, told.extrapolation, told.in_between) == (True, False, False, False)
        assert told.notes.startswith("Speculation is off")
        socket.send_text(dump_control(SetModes(speculation=True, extrapolation=True)))
        told = next_control(socket)
        assert isinstance(told, Modes)
        assert (told.pipeline, told.speculation, told.extrapolation) == (True, False, True), (
            "it tells what is really on"
        )


def test_two_people_play_each_their_own(client: TestClient) -> None:
    with playing(client) as one, playing(client) as two:
        steer(one, -1.0, 1)
        steer(two, 1.0, 1)
        assert brightness(next_frame(one, 1)) < 60
        assert brightness(next_frame(two, 1)) > 200


def test_a_third_is_told_that_it_is_full(client: TestClient) -> None:
    with playing(client), playing(client), client.websocket_connect("ws://127.0.0.1:8710/play") as third:
        error = next_control(third)
        assert isinstance(error, ErrorMessage)
        assert (error.code, error.fatal) == ("full", True)
        with pytest.raises(WebSocketDisconnect):
            next_control(third)


@pytest.mark.parametrize(
    ("hello", "says"),
    [
        (dump_control(Hello("medow")), "did you mean 'meadow'"),
        (dump_control(Hello("meadow", start="dusc")), "did you mean 'dusk'"),
        (dump_control(Hello("broken")), "world.json is missing"),
        (dump_control(Pause()), "expected a hello first"),
        ('{"type": "hello", "version": 99, "world": "meadow"}', "reload the page"),
        ("hello?", "is JSON"),
    ],
)
def test_a_bad_hello_is_answered_and_closed(client: TestClient, hello: str, says: str) -> None:
    with client.websocket_connect("ws://127.0.0.1:8710/play") as socket:
        socket.send_text(hello)
        error = next_control(socket)
        assert isinstance(error, ErrorMessage)
        assert error.fatal
        assert says in error.message
        with pytest.raises(WebSocketDisconnect):
            next_control(socket)


def test_a_bad_message_is_answered_and_play_goes_on(client: TestClient) -> None:
    with playing(client) as socket:
        for data in (
            b"DC\x03\x02",
            pack_input(InputMessage(np.array([9, 0, 0], np.float32), 1, 0.0)),
            pack_input(InputMessage(np.array([np.nan, 0, 0], np.float32), 1, 0.0)),
        ):
            socket.send_bytes(data)
            error = next_control(socket)
            assert isinstance(error, ErrorMessage)
            assert not error.fatal
        socket.send_text(dump_control(Reset(start="noon")))
        assert "unknown start 'noon'" in next_control(socket).message  # type: ignore[union-attr]
        steer(socket, 1.0, 5)
        assert brightness(next_frame(socket, 5)) > 200


def test_a_page_that_only_errs_is_sent_away(client: TestClient) -> None:
    with playing(client) as socket:
        for _ in range(MAX_MISTAKES + 1):
            socket.send_text("noise")
        errors = [next_control(socket) for _ in range(MAX_MISTAKES + 1)]
        assert [e.fatal for e in errors if isinstance(e, ErrorMessage)] == [False] * MAX_MISTAKES + [True]


def test_a_notice_reaches_the_page_and_play_goes_on(client: TestClient, arcade: Arcade) -> None:
    with playing(client) as socket:
        arcade.stage("meadow").loop.handles[-1].on_notice("A device was lost; play goes on.")  # type: ignore[attr-defined]
        assert next_control(socket) == Notice("A device was lost; play goes on.")
        steer(socket, 1.0, 5)
        assert brightness(next_frame(socket, 5)) > 200


def test_a_failing_engine_is_reported_and_closed(client: TestClient, arcade: Arcade) -> None:
    with playing(client) as socket:
        next_frame(socket)
        handle = arcade.stage("meadow").loop.handles[-1]  # type: ignore[attr-defined]
        handle.pause()
        handle.on_error(RuntimeError("out of memory"))
        error = next_control(socket)
        assert isinstance(error, ErrorMessage)
        assert error.fatal
        assert "out of memory" in error.message
        with pytest.raises(WebSocketDisconnect):
            next_control(socket)
