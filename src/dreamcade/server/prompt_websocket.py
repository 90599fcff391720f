"""A WebSocket that holds nothing back: what a player's line cannot take now is not sent, and so never arrives late."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

UNSENT_BYTES = 16 * 1024
"""What the system may hold of a connection beyond what is under way: less than one frame."""


class PromptWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's own, but `send` returns only when the system has taken the whole message.

    A frame is chosen after the one before has gone (`Outbox`), not while that one still waits in a buffer of asyncio's
    (64 KB) or the system's (hundreds of KB), which may be a dozen frames, all of them seen too late. Small messages go
    out at once: asyncio switches Nagle's algorithm off for every TCP connection.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        cast(asyncio.WriteTransport, transport).set_write_buffer_limits(high=0)
        line = transport.get_extra_info("socket")
        option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
        if line is not None and option is not None:
            with contextlib.suppress(OSError):  # where the system does not know it, its buffer stays as it is
                line.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)

    async def send(self, message: Any) -> None:
        await super().send(message)
        await self.writable.wait()
