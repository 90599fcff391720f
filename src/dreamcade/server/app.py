"""The web application: the page, the list of worlds, and the socket that plays."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from dreamcade.server.arcade import Arcade
from dreamcade.server.control_messages import ErrorMessage, dump_control
from dreamcade.server.guard import Guard
from dreamcade.server.play_session import CLOSE_BUSY, PlaySession
from dreamcade.server.protocol import PROTOCOL_VERSION

CLIENT = Path(__file__).with_name("client")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server takes on."""

    max_sessions: int = 4


class Floor:
    """The endpoints; counts who plays."""

    def __init__(self, arcade: Arcade, limits: Limits) -> None:
        self.arcade = arcade
        self.limits = limits
        self.playing = 0

    async def page(self, request: Request) -> Response:
        return FileResponse(CLIENT / "index.html")

    async def worlds(self, request: Request) -> Response:
        return JSONResponse(self.arcade.listing())

    async def thumbnail(self, request: Request) -> Response:
        data = self.arcade.thumbnail(request.path_params["world"], request.path_params["start"])
        if data is None:
            return JSONResponse({"error": "there is no such start; /api/worlds lists them"}, status_code=404)
        return Response(data, media_type="image/jpeg")

    async def clip(self, request: Request) -> Response:
        data = self.arcade.clip(request.path_params["world"])
        if data is None:
            return JSONResponse({"error": "there is no such clip; /api/worlds lists them"}, status_code=404)
        return Response(data, media_type="image/webp")

    async def health(self, request: Request) -> Response:
        """Status 503 where a world hangs, so that whoever looks after this server can restart it."""
        worlds, hanging = await to_thread.run_sync(lambda: (self.arcade.status(), self.arcade.hanging()))
        return JSONResponse(
            {
                "service": "dreamcade",
                "status": "hangs" if hanging else "ok",
                "protocol": PROTOCOL_VERSION,
                "state": self.arcade.state,
                "sessions": self.playing,
                "max_sessions": self.limits.max_sessions,
                **({"worlds": worlds} if worlds else {}),
                **({"hangs": hanging} if hanging else {}),
            },
            status_code=503 if hanging else 200,
        )

    async def play(self, websocket: WebSocket) -> None:
        await websocket.accept()
        if self.playing >= self.limits.max_sessions:
            text = f"All {self.limits.max_sessions} places are taken; wait until somebody leaves"
            await websocket.send_text(dump_control(ErrorMessage("full", text, fatal=True)))
            await websocket.close(CLOSE_BUSY)
            return
        self.playing += 1
        try:
            await PlaySession(websocket, self.arcade).run()
        finally:
            self.playing -= 1


def create_app(arcade: Arcade, host: str = "127.0.0.1", limits: Limits | None = None) -> Starlette:
    """The application for `arcade`, to be served on `host`; wakes the arcade when it starts, stops it when it ends."""
    mimetypes.add_type("text/javascript", ".js")  # some systems map it to plain text, which no module loads from
    floor = Floor(arcade, limits or Limits())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        arcade.wake()
        try:
            yield
        finally:
            await to_thread.run_sync(arcade.close)

    routes = [
        Route("/", floor.page),
        Route("/api/worlds", floor.worlds),
        Route("/api/worlds/{world}/starts/{start}.jpg", floor.thumbnail),
        Route("/api/worlds/{world}/clip.webp", floor.clip),
        Route("/api/health", floor.health),
        WebSocketRoute("/play", floor.play),
        Mount("/client", StaticFiles(directory=CLIENT)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, bound_host=host)], lifespan=lifespan)
