"""A port to listen on, and uvicorn on it until Ctrl-C."""

from __future__ import annotations

import errno
import json
import socket
import urllib.error
import urllib.request

import uvicorn

from dreamcade.core.errors import BadInputError
from dreamcade.server.app import Limits, create_app
from dreamcade.server.arcade import Arcade
from dreamcade.server.prompt_websocket import PromptWebSocket

DEFAULT_PORT = 8710
SEND_BUFFER = 128 * 1024
"""Bytes the system may hold for one player: a few frames, so that a slow line drops frames instead of ageing them."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket on `host`:`port` (port 0: any free one).

    Raises `BadInputError` that offers the next free port when it is taken, or says what is wrong with the host.
    """
    try:
        return _bind(host, port)
    except socket.gaierror as error:
        raise BadInputError(f"host {host!r} is not an address of this machine; use 127.0.0.1 or 0.0.0.0") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BadInputError(_port_taken(host, port)) from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise BadInputError(f"host {host!r} is not an address of this machine; use 127.0.0.1 or 0.0.0.0") from error
        if error.errno == errno.EACCES:
            raise BadInputError(f"port {port} needs rights that you lack; try --port {DEFAULT_PORT}") from error
        raise


def _bind(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        listener.bind(address)
        # Listening already here lets a browser that is quicker than the server wait instead of failing.
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _port_taken(host: str, port: int) -> str:
    who = "by another dreamcade" if _is_dreamcade(host, port) else "by another program"
    for candidate in range(port + 1, min(port + 50, 65536)):
        try:
            _bind(host, candidate).close()
        except OSError:
            continue
        return f"port {port} on {host} is in use {who}; try --port {candidate}"
    return f"port {port} on {host} is in use {who}; try another one with --port"


def _is_dreamcade(host: str, port: int) -> bool:
    try:
        with urllib.request.urlopen(f"{address_of(host, port)}/api/health", timeout=0.5) as answer:
            return bool(json.load(answer).get("service") == "dreamcade")
    except urllib.error.HTTPError as error:  # it is not well, but there
        return b'"dreamcade"' in error.read()
    except (urllib.error.URLError, OSError, ValueError, AttributeError):
        return False


def address_of(host: str, port: int) -> str:
    """The address to type into a browser on this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}"


def network_address(host: str, port: int) -> str | None:
    """The address for other machines where `host` listens to them all; None where it does not, or there are none."""
    if host not in ("0.0.0.0", "::"):
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only asks which of our addresses leads outside
            own = str(probe.getsockname()[0])
        except OSError:
            return None
    return None if own.startswith("127.") else f"http://{own}:{port}"


def serve(arcade: Arcade, listener: socket.socket, host: str, limits: Limits | None = None) -> None:
    """Serves until Ctrl-C. Raises the arcade's error when no world at all can be loaded."""
    config = uvicorn.Config(
        create_app(arcade, host, limits or Limits()),
        log_level="warning",
        ws=PromptWebSocket,
        ws_per_message_deflate=False,  # JPEG does not get smaller
        ws_max_size=64 * 1024,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)

    def stop_if_nothing_plays() -> None:
        if arcade.state == "failed":
            server.should_exit = True

    arcade.on_settled = stop_if_nothing_plays
    server.run(sockets=[listener])
    if arcade.state == "failed" and arcade.errors:
        raise arcade.errors[0]
