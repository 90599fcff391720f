"""Messages between the processes of a cluster: a kind, JSON fields, and raw bytes behind them, over one TCP connection.

Nothing is pickled. Every wait has an end: a peer that was stopped, or whose pipe is full, raises `PeerLostError`.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import select
import socket
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from dreamcade.core.errors import BadInputError, DreamcadeError

PROTOCOL = 1
"""Of these messages; both ends must have the same, and the same version of the package."""
SECONDS = 1.0
"""How long a peer may take to take, or to finish, a message."""
_HEAD = struct.Struct("!4sIIQ")
_MAGIC = b"DRMc"
_MOST_TEXT, _MOST_PARTS, _MOST_BYTES = 1 << 24, 1 << 12, 1 << 34


class PeerLostError(DreamcadeError):
    """The other end has gone, hangs, or says what nobody understands."""


class RefusedError(DreamcadeError):
    """The other end does not want this connection; the message says why."""


@dataclass(frozen=True, slots=True)
class Message:
    """What came: `parts` are bytes that nobody else holds."""

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    parts: tuple[bytearray, ...] = ()


class Wire:
    """One connection. Any thread may send; one at a time receives."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        with contextlib.suppress(OSError):  # not TCP
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._sending = threading.Lock()

    def send(
        self,
        kind: str,
        fields: Mapping[str, Any] | None = None,
        parts: Sequence[bytes | bytearray | memoryview] = (),
        seconds: float = SECONDS,
    ) -> None:
        """Raises `PeerLostError` where it is not taken within `seconds`; the connection is of no use then."""
        text = json.dumps({"kind": kind, "fields": fields or {}, "sizes": [memoryview(p).nbytes for p in parts]})
        raw = text.encode()
        head = _HEAD.pack(_MAGIC, len(raw), len(parts), sum(memoryview(p).nbytes for p in parts))
        deadline = time.monotonic() + seconds
        with self._sending:
            self._put(memoryview(head + raw), deadline)
            for part in parts:
                self._put(memoryview(part).cast("B"), deadline)

    def receive(self, seconds: float | None = None) -> Message | None:
        """The next message, or None where none begins within `seconds` (None: however long that takes).

        Raises `PeerLostError`.
        """
        if not self._ready(seconds):
            return None
        deadline = time.monotonic() + SECONDS
        magic, text_size, parts, total = _HEAD.unpack(self._take(_HEAD.size, deadline))
        if magic != _MAGIC or text_size > _MOST_TEXT or parts > _MOST_PARTS or total > _MOST_BYTES:
            raise PeerLostError("the other end does not speak as a dreamcade process does")
        try:
            told = json.loads(bytes(self._take(text_size, deadline)))
            kind, fields, sizes = str(told["kind"]), dict(told["fields"]), [int(size) for size in told["sizes"]]
        except (ValueError, KeyError, TypeError) as error:
            raise PeerLostError(f"the other end sent what is no message: {error}") from error
        if len(sizes) != parts or sum(sizes) != total or min(sizes, default=0) < 0:
            raise PeerLostError("the other end sent a message whose sizes do not add up")
        return Message(kind, fields, tuple(self._take(size, deadline) for size in sizes))

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    def close(self) -> None:
        """Closing twice is fine; who waits in `receive` gets a `PeerLostError`."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _put(self, data: memoryview, deadline: float) -> None:
        while data:
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                self._wait(deadline, reading=False)
            except OSError as error:
                raise PeerLostError(f"the connection broke: {error}") from error

    def _take(self, size: int, deadline: float) -> bytearray:
        data = bytearray(size)
        left = memoryview(data)
        while left:
            try:
                got = self._socket.recv_into(left)
            except BlockingIOError:
                self._wait(deadline, reading=True)
                continue
            except OSError as error:
                raise PeerLostError(f"the connection broke: {error}") from error
            if not got:
                raise PeerLostError("the connection was closed")
            left = left[got:]
            deadline = max(deadline, time.monotonic() + SECONDS)  # something comes: a large message may take its time
        return data

    def _ready(self, seconds: float | None) -> bool:
        return self._poll(select.POLLIN, seconds)

    def _wait(self, deadline: float, reading: bool) -> None:
        left = deadline - time.monotonic()
        if left <= 0 or not self._poll(select.POLLIN if reading else select.POLLOUT, left):
            raise PeerLostError("the other end does not answer")

    def _poll(self, event: int, seconds: float | None) -> bool:
        """Whether it happens in time. Not by `select`, which knows only the first 1024 files of a process."""
        poll = select.poll()
        try:
            poll.register(self._socket, event)
            return bool(poll.poll(None if seconds is None else seconds * 1000.0))
        except (OSError, ValueError) as error:  # closed by another thread
            raise PeerLostError("the connection was closed") from error


class Door:
    """Where processes of one cluster come in: a listening socket that lets in who knows its token."""

    def __init__(self, token: str, host: str = "127.0.0.1", port: int = 0) -> None:
        self._token = token
        self.refused: dict[str, str] = {}
        """Why, by the names that they gave, those that know the token were not let in."""
        self._listener = socket.create_server((host, port))
        self.address = f"{host}:{self._listener.getsockname()[1]}"

    def let_in(self, seconds: float) -> tuple[str, Wire] | None:
        """The next one's name and connection; None where nobody who belongs here came within `seconds`."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._listener.settimeout(left)
            try:
                wire = Wire(self._listener.accept()[0])
            except TimeoutError:
                return None
            except OSError as error:
                raise PeerLostError("the door was closed") from error
            if (name := self._greet(wire)) is not None:
                return name, wire
            wire.close()
        return None

    def close(self) -> None:
        self._listener.close()

    def _greet(self, wire: Wire) -> str | None:
        try:
            hello = wire.receive(SECONDS)
            if hello is None or hello.kind != "hello":
                return None
            reason = self._objection(hello.fields)
            if reason and self._knows_token(hello.fields):
                self.refused[str(hello.fields["name"])] = reason
            wire.send("refused" if reason else "welcome", {"reason": reason})
            return None if reason else str(hello.fields["name"])
        except (PeerLostError, KeyError):
            return None

    def _knows_token(self, fields: Mapping[str, Any]) -> bool:
        return hmac.compare_digest(str(fields.get("token", "")).encode(), self._token.encode())

    def _objection(self, fields: Mapping[str, Any]) -> str:
        if not self._knows_token(fields):
            return "it has another cluster's token"
        if (fields.get("protocol"), fields.get("version")) != (PROTOCOL, version("dreamcade")):
            ours = f"dreamcade {version('dreamcade')}, protocol {PROTOCOL}"
            return f"it runs dreamcade {fields.get('version')}, protocol {fields.get('protocol')}; here is {ours}"
        return ""


def knock(address: str, name: str, token: str, seconds: float = 10.0) -> Wire:
    """Connects to the `Door` at `address` (host:port) as `name`.

    Raises `BadInputError` for an address that is none, `PeerLostError` where nobody opens, `RefusedError`.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise BadInputError(f"an address is host:port; got {address!r}")
    try:
        wire = Wire(socket.create_connection((host, int(port)), seconds))
    except OSError as error:
        raise PeerLostError(f"nobody answers at {address} ({error})") from error
    hello = {"name": name, "token": token, "protocol": PROTOCOL, "version": version("dreamcade")}
    wire.send("hello", hello, seconds=seconds)
    answer = wire.receive(seconds)
    if answer is None:
        raise PeerLostError(f"{address} does not answer")
    if answer.kind != "welcome":
        raise RefusedError(f"{address} refused this process: {answer.fields.get('reason')}")
    return wire
