from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamcade.server.control_messages import (
    MAX_SEED,
    Bye,
    ErrorMessage,
    Hello,
    Modes,
    Notice,
    Pause,
    Ready,
    Reset,
    Resume,
    SetModes,
    Waking,
    dump_control,
    parse_client,
    parse_server,
)
from dreamcade.server.protocol import PROTOCOL_VERSION as VERSION
from dreamcade.server.protocol import ProtocolError

TEXT = st.text(max_size=40)
SEED = st.integers(0, MAX_SEED)
SWITCH = st.none() | st.booleans()
CLIENT = st.one_of(
    st.builds(Hello, world=TEXT, start=st.none() | TEXT, seed=st.none() | SEED),
    st.builds(Pause),
    st.builds(Resume),
    st.builds(Bye, reason=TEXT),
    st.builds(Reset, seed=st.none() | SEED, start=st.none() | TEXT),
    st.builds(SetModes, SWITCH, SWITCH, SWITCH, SWITCH),
)
SERVER = st.one_of(
    st.builds(Waking, message=TEXT),
    st.builds(Bye, reason=TEXT),
    st.builds(Notice, text=TEXT),
    st.builds(Modes, st.booleans(), st.booleans(), st.booleans(), st.booleans(), notes=TEXT),
    st.builds(ErrorMessage, code=TEXT, message=TEXT, fatal=st.booleans()),
    st.builds(Ready, world=TEXT, start=TEXT, seed=SEED, tick_rate=st.floats(0, 1e6), action_size=st.integers(0, 99)),
)


@given(CLIENT)
def test_client_messages_survive_the_wire(message: Hello) -> None:
    assert parse_client(dump_control(message)) == message


@given(SERVER)
def test_server_messages_survive_the_wire(message: Ready) -> None:
    assert parse_server(dump_control(message)) == message


@given(st.text(max_size=80))
def test_noise_is_an_error_never_a_crash(text: str) -> None:
    with pytest.raises(ProtocolError):
        parse_client(text)


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ({"type": "dance"}, "hello, pause, resume, reset, set_modes, bye"),
        ({"type": ["pause"]}, "expected a message of type"),
        ({"type": "hello", "version": VERSION}, "needs the field 'world'"),
        ({"type": "hello", "version": VERSION, "world": 7}, "hello.world must be a text"),
        ({"type": "hello", "version": VERSION, "world": "w", "seed": -1}, "hello.seed must be a whole number"),
        (
            {"type": "hello", "version": VERSION, "world": "w", "seed": True},
            "hello.seed must be a whole number",
        ),
        ({"type": "set_modes", "speculation": 1}, "set_modes.speculation must be true or false"),
        ({"type": "pause", "now": True}, "no field 'now'"),
        ({"type": "ready"}, "expected a message of type"),
        ([1], "JSON object"),
    ],
)
def test_every_fault_is_named(message: object, says: str) -> None:
    with pytest.raises(ProtocolError, match=says) as error:
        parse_client(json.dumps(message))
    assert not error.value.fatal


def test_another_version_is_fatal() -> None:
    with pytest.raises(ProtocolError, match="reload the page") as error:
        parse_client('{"type": "hello", "version": 1, "world": "w"}')
    assert error.value.fatal


def test_deep_nesting_is_an_error() -> None:
    with pytest.raises(ProtocolError):
        parse_client("[" * 60_000)
