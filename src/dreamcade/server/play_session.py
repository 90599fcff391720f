"""One player: a WebSocket on one side, a session of the engine on the other. Time belongs to the engine."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import secrets
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from anyio import CancelScope, to_thread
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from dreamcade.core.errors import DreamcadeError
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
    Waking,
    dump_control,
    parse_client,
)
from dreamcade.server.outbox import Outbox
from dreamcade.server.protocol import FrameMessage, ProtocolError, pack_frame, unpack_input

if TYPE_CHECKING:
    from dreamcade.engine.runner import EncodedFrame
    from dreamcade.server.arcade import Arcade
    from dreamcade.server.stage import Stage, StageHandle, StageSession

logger = logging.getLogger(__name__)

HELLO_SECONDS = 10.0
"""A connection that says nothing for this long is closed."""
SEND_SECONDS = 10.0
"""A player who takes no frame for this long is gone, whatever the network says; the place is given to others."""
MAX_MISTAKES = 20
"""A page that sends more bad messages than this is not our page."""
CLOSE_NORMAL, CLOSE_PROTOCOL, CLOSE_BUSY = 1000, 1002, 1013


class PlaySession:
    """Opens a session for the world in the page's `Hello`, plays it, and closes it when the page goes."""

    def __init__(self, websocket: WebSocket, arcade: Arcade) -> None:
        self.websocket = websocket
        self.arcade = arcade
        self.outbox = Outbox(asyncio.get_running_loop())
        self._stage: Stage | None = None
        self._session: StageSession | None = None
        self._handle: StageHandle | None = None
        self._mistakes = 0

    async def run(self) -> None:
        """The whole life of an accepted connection; never raises for what a page can do wrong."""
        try:
            await self._open(await self._receive_hello())
            await self._play()
            await self._close(CLOSE_NORMAL)
        except WebSocketDisconnect:
            pass
        except ProtocolError as error:
            await self._refuse(error.code, str(error))
        except DreamcadeError as error:
            await self._refuse("world", str(error))
        except Exception:
            logger.exception("a session failed")
            await self._refuse("internal", "the engine failed; the server's log says why")
        finally:
            with CancelScope(shield=True):
                await to_thread.run_sync(self._release)

    async def _receive_hello(self) -> Hello:
        try:
            data = await asyncio.wait_for(self._receive(), HELLO_SECONDS)
        except TimeoutError as error:
            raise ProtocolError("hello", f"expected a hello within {HELLO_SECONDS:g} s") from error
        if isinstance(data, bytes):
            raise ProtocolError("hello", "expected a hello, as text, first; got a binary message")
        message = parse_client(data)
        if not isinstance(message, Hello):
            raise ProtocolError("hello", f"expected a hello first; got {message.type!r}")
        return message

    async def _open(self, hello: Hello) -> None:
        if self.arcade.state == "waking":
            await self._send(Waking("The dream is waking up"))
        stage = self._stage = await to_thread.run_sync(self.arcade.stage, hello.world, abandon_on_cancel=True)
        start = stage.world.start(hello.start).name
        seed = secrets.randbelow(2**32) if hello.seed is None else hello.seed
        self._session = await to_thread.run_sync(lambda: stage.engine.open_session(seed=seed, start=start))
        await self._send(Ready(hello.world, start, seed, stage.world.tick_rate, stage.world.controls.size))
        self._handle = stage.loop.attach(self._session, self.outbox.offer, self.outbox.fail, self.outbox.tell)
        await self._tell_modes()

    async def _play(self) -> None:
        """Until one side of the connection ends: a player who vanished is noticed by either."""
        halves = {asyncio.create_task(self._send_frames()), asyncio.create_task(self._receive_messages())}
        try:
            done, _ = await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
            for half in done:
                half.result()
        finally:
            for half in halves:
                half.cancel()

    async def _receive(self) -> str | bytes:
        message = await self.websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or CLOSE_NORMAL)
        data: str | bytes | None = message.get("bytes")
        return str(message["text"]) if data is None else data

    async def _receive_messages(self) -> None:
        while True:
            data = await self._receive()
            try:
                if isinstance(data, bytes):
                    self._take_input(data)
                elif await self._obey(data):
                    return
            except ProtocolError as error:
                await self._count_mistake(error)
            except DreamcadeError as error:
                await self._count_mistake(ProtocolError("value", str(error)))

    def _take_input(self, data: bytes) -> None:
        assert self._stage is not None
        assert self._handle is not None
        controls = self._stage.world.controls
        message = unpack_input(data, controls.size)
        self._handle.input(controls.validate(message.action), message.sequence, message.client_ms)

    async def _obey(self, text: str) -> bool:
        """Acts on one control message; True when the page says goodbye."""
        assert self._stage is not None
        assert self._handle is not None
        message = parse_client(text)
        match message:
            case Pause():
                self._handle.pause()
            case Resume():
                self._handle.resume()
            case Reset():
                self._handle.reset(seed=message.seed, start=message.start)
            case SetModes():
                self._handle.set_modes(**dataclasses.asdict(message))
                await self._tell_modes()
            case Bye():
                return True
            case Hello():
                raise ProtocolError("hello", "this connection already plays; open another one for another world")
        return False

    async def _tell_modes(self) -> None:
        assert self._handle is not None
        await self._send(Modes(**dataclasses.asdict(self._handle.modes), notes="\n".join(self._handle.notes)))

    async def _count_mistake(self, error: ProtocolError) -> None:
        """Tells the page what was wrong; play goes on unless it is fatal or one mistake too many."""
        self._mistakes += 1
        if error.fatal or self._mistakes > MAX_MISTAKES:
            raise error
        await self._send(ErrorMessage(error.code, str(error)))

    async def _send_frames(self) -> None:
        try:
            while True:
                item = await self.outbox.take()
                await self._within(self._send(item) if isinstance(item, Notice) else self._send_frame(item))
        except WebSocketDisconnect:
            return
        except Exception as error:
            logger.error("a session's engine failed", exc_info=error)
            await self._refuse("engine", f"The engine failed: {error}")

    async def _send_frame(self, frame: EncodedFrame) -> None:
        await self.websocket.send_bytes(pack_frame(self._message(frame)))

    async def _within(self, sending: Coroutine[Any, Any, None]) -> None:
        try:
            await asyncio.wait_for(sending, SEND_SECONDS)
        except (RuntimeError, TimeoutError) as error:  # closed by our other half, or nobody takes it
            raise WebSocketDisconnect(CLOSE_NORMAL) from error

    def _message(self, frame: EncodedFrame) -> FrameMessage:
        return FrameMessage(
            frame.data,
            frame.tick,
            frame.sequence,
            frame.client_ms,
            frame.timing,
            frame.fps,
            frame.late,
            self.outbox.dropped,
            frame.tally,
        )

    async def _send(self, message: ServerMessage) -> None:
        await self.websocket.send_text(dump_control(message))

    async def _refuse(self, code: str, message: str) -> None:
        try:
            await self._send(ErrorMessage(code, message, fatal=True))
            await self._close(CLOSE_PROTOCOL)
        except (WebSocketDisconnect, RuntimeError):  # already gone: there is nobody to tell
            return

    async def _close(self, code: int) -> None:
        if self.websocket.application_state is WebSocketState.CONNECTED:
            await self.websocket.close(code)

    def _release(self) -> None:
        if self._handle is not None:
            self._handle.detach()
        if self._session is not None:
            self._session.close()
