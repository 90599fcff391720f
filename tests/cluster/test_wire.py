from __future__ import annotations

import contextlib
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from dreamcade.cluster import wire as wires
from dreamcade.cluster.wire import Door, Message, PeerLostError, RefusedError, Wire, knock
from dreamcade.core.errors import BadInputError


@pytest.fixture
def pair() -> Iterator[tuple[Wire, Wire]]:
    ends = [Wire(end) for end in socket.socketpair()]
    yield ends[0], ends[1]
    for end in ends:
        end.close()


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door("token")
    yield door
    door.close()


def test_messages_come_in_order_with_their_parts(pair: tuple[Wire, Wire]) -> None:
    here, there = pair
    here.send("one", {"a": [1, 2.5, None]}, [b"abc", bytearray(), memoryview(b"xy")])
    here.send("two")
    assert there.receive(1) == Message("one", {"a": [1, 2.5, None]}, (bytearray(b"abc"), bytearray(), bytearray(b"xy")))
    assert there.receive(1) == Message("two")


def test_nothing_comes_in_time(pair: tuple[Wire, Wire]) -> None:
    assert pair[0].receive(0.01) is None


def test_large_messages_pass_small_pipes(pair: tuple[Wire, Wire]) -> None:
    here, there = pair
    data = bytes(range(256)) * 40_000
    sender = threading.Thread(target=lambda: here.send("large", parts=[data], seconds=5))
    sender.start()
    got = there.receive(5)
    sender.join()
    assert got is not None and got.parts[0] == data


def test_a_full_pipe_is_a_lost_peer(pair: tuple[Wire, Wire]) -> None:
    began = time.monotonic()
    with pytest.raises(PeerLostError, match="does not answer"):
        pair[0].send("large", parts=[bytes(50_000_000)], seconds=0.2)
    assert 0.15 < time.monotonic() - began < 10


def test_a_closed_connection_is_a_lost_peer(pair: tuple[Wire, Wire]) -> None:
    here, there = pair
    there.close()
    with pytest.raises(PeerLostError):
        here.receive(1)


def test_a_process_may_have_more_than_a_thousand_files_open(pair: tuple[Wire, Wire]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        pytest.skip(f"this process may open only {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    with contextlib.ExitStack() as stack:
        for _ in range(1100):
            stack.enter_context(open(os.devnull))
        here, there = (Wire(end) for end in socket.socketpair())
        assert here.fileno() > 1024
        here.send("one")
        assert there.receive(1) == Message("one")
        here.close()
        there.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_half_a_message_is_a_lost_peer(pair: tuple[Wire, Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires, "SECONDS", 0.1)
    here, there = pair
    here._socket.send(b"DRMc\0\0")
    with pytest.raises(PeerLostError, match="does not answer"):
        there.receive(1)


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n    ", b"DRMc" + b"\xff" * 30])
def test_noise_is_a_lost_peer(pair: tuple[Wire, Wire], noise: bytes) -> None:
    here, there = pair
    here._socket.send(noise)
    with pytest.raises(PeerLostError, match="does not speak"):
        there.receive(1)


def come(door: Door) -> list[tuple[str, Wire]]:
    got: list[tuple[str, Wire]] = []

    def wait() -> None:
        if (who := door.let_in(3)) is not None:
            got.append(who)

    thread = threading.Thread(target=wait)
    thread.start()
    with contextlib.suppress(RefusedError):
        knock(door.address, "decoder 1", "token")
    thread.join()
    return got


def test_who_knows_the_token_comes_in(door: Door) -> None:
    [(name, _)] = come(door)
    assert name == "decoder 1"


def test_another_token_is_refused(door: Door) -> None:
    thread = threading.Thread(target=lambda: door.let_in(1))
    thread.start()
    with pytest.raises(RefusedError, match="another cluster's token"):
        knock(door.address, "decoder 1", "tokem")
    thread.join()


def test_another_version_is_refused(door: Door) -> None:
    thread = threading.Thread(target=lambda: door.let_in(1))
    thread.start()
    host, port = door.address.split(":")
    old = Wire(socket.create_connection((host, int(port))))
    old.send("hello", {"name": "decoder 1", "token": "token", "protocol": 1, "version": "0.0.1"})
    answer = old.receive(1)
    thread.join()
    old.close()
    assert answer is not None and answer.kind == "refused"
    assert "it runs dreamcade 0.0.1, protocol 1; here is dreamcade" in answer.fields["reason"]
    assert door.refused == {"decoder 1": answer.fields["reason"]}


def test_a_token_of_odd_letters_is_refused_as_any_other(door: Door) -> None:
    thread = threading.Thread(target=lambda: door.let_in(1))
    thread.start()
    with pytest.raises(RefusedError, match="another cluster's token"):
        knock(door.address, "decoder 1", "tökem")
    thread.join()
    assert door.refused == {}, "nobody is accused by a stranger"


def test_strangers_do_not_keep_the_door(door: Door) -> None:
    stranger = socket.create_connection(("127.0.0.1", int(door.address.split(":")[1])))
    stranger.send(b"GET / HTTP/1.1\r\n\r\n    ")
    [(name, _)] = come(door)
    assert name == "decoder 1"
    stranger.close()


def test_an_address_where_nobody_is() -> None:
    with pytest.raises(PeerLostError, match=r"nobody answers at 127\.0\.0\.1:1 "):
        knock("127.0.0.1:1", "x", "t", seconds=1)
    with pytest.raises(BadInputError, match="host:port"):
        knock("nowhere", "x", "t")
