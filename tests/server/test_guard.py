from __future__ import annotations

import socket

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from dreamcade.server.guard import host_allowed, origin_allowed


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8710",
        "localhost",
        "LOCALHOST:1",
        "[::1]:8710",
        "192.168.1.7:8710",
        socket.gethostname(),
        "game.localhost:80",
    ],
)
def test_own_names_are_allowed(host: str) -> None:
    assert host_allowed(host, "127.0.0.1")


@pytest.mark.parametrize(
    "host", ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8710", "[", ":80"]
)
def test_foreign_names_are_not(host: str) -> None:
    assert not host_allowed(host, "127.0.0.1")


def test_the_name_it_was_bound_to_is_allowed() -> None:
    assert host_allowed("arcade.lan:8710", "arcade.lan")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://127.0.0.1:8710", True),
        ("http://127.0.0.1:8711", False),
        ("null", False),
        ("http://evil.example", False),
        ("file://127.0.0.1:8710", False),
    ],
)
def test_only_the_own_page_is_an_origin(origin: str | None, allowed: bool) -> None:
    assert origin_allowed(origin, "127.0.0.1:8710") is allowed


def test_a_foreign_site_gets_nothing(client: TestClient) -> None:
    assert client.get("/api/worlds", headers={"host": "evil.example"}).status_code == 403
    assert client.get("/api/worlds", headers={"origin": "http://evil.example"}).status_code == 403
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("ws://127.0.0.1:8710/play", headers={"origin": "http://evil.example"}),
    ):
        pass


def test_answers_carry_the_content_policy(client: TestClient) -> None:
    answer = client.get("/")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
