from __future__ import annotations

import json
import socket
import threading
import time
import urllib.request
from collections.abc import Callable

import pytest

from dreamcade.core.errors import BadInputError, WorldError
from dreamcade.server.arcade import Arcade
from dreamcade.server.listen import address_of, bind, network_address, serve
from dreamcade.server.stage import Stage

Load = Callable[[str], Stage]


def test_a_taken_port_offers_the_next_free_one() -> None:
    with bind("127.0.0.1", 0) as taken:
        taken.settimeout(0)
        port = taken.getsockname()[1]
        with pytest.raises(BadInputError, match=rf"port {port} on 127.0.0.1 is in use .*try --port \d+") as error:
            bind("127.0.0.1", port)
    free = int(str(error.value).rsplit(" ", 1)[1])
    bind("127.0.0.1", free).close()


def test_a_foreign_host_is_one_clear_line() -> None:
    with pytest.raises(BadInputError, match="not an address of this machine"):
        bind("203.0.113.9", 8710)
    with pytest.raises(BadInputError, match="not an address of this machine"):
        bind("no such host", 8710)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8710"),
        ("0.0.0.0", "http://127.0.0.1:8710"),
        ("::1", "http://[::1]:8710"),
        ("::", "http://[::1]:8710"),
        ("arcade.lan", "http://arcade.lan:8710"),
    ],
)
def test_the_address_can_be_typed(host: str, address: str) -> None:
    assert address_of(host, 8710) == address


def test_the_page_is_there_while_the_worlds_still_wake_and_failure_ends_it() -> None:
    gate = threading.Event()

    def load(name: str) -> Stage:
        gate.wait(20)
        raise WorldError(f"world {name!r} is damaged")

    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    seen: dict[str, str] = {}

    def look() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/worlds", timeout=10) as answer:
            seen.update(json.load(answer))
        gate.set()

    threading.Thread(target=look, daemon=True).start()
    began = time.monotonic()
    with pytest.raises(WorldError, match="'meadow' is damaged"):
        serve(Arcade(lambda: ["meadow"], load), listener, "127.0.0.1")
    assert seen["state"] == "waking"
    assert time.monotonic() - began < 10


def test_a_port_taken_by_a_dreamcade_says_so() -> None:
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]

    def answer_health() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            body = b'{"service": "dreamcade"}'
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode() + body)
            connection.shutdown(socket.SHUT_WR)

    threading.Thread(target=answer_health, daemon=True).start()
    with listener, pytest.raises(BadInputError, match="by another dreamcade"):
        bind("127.0.0.1", port)


def test_other_machines_are_told_an_address_of_this_one() -> None:
    assert network_address("127.0.0.1", 8710) is None
    told = network_address("0.0.0.0", 8710)
    if told is None:
        pytest.skip("this machine is on no network")
    host = told.removeprefix("http://").removesuffix(":8710")
    with bind(host, 0):  # only an address of this machine can be listened on
        assert not host.startswith("127.")
