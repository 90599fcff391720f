"""A replica: one world's engine and game loop in a process of its own, played by a gateway over a connection.

It keeps nothing that the gateway does not have a moment later: each committed tick goes there before its frame does, so
that its sessions go on elsewhere when it is lost. When the gateway goes, it ends.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import platform
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dreamcade.cluster.placement import BUSIEST
from dreamcade.cluster.wire import Message, PeerLostError, Wire, knock
from dreamcade.core.errors import DreamcadeError
from dreamcade.core.types import ActionVector
from dreamcade.server.replica_messages import (
    REPORT_SECONDS,
    Fields,
    Outgoing,
    frame_message,
    input_of,
    tick_message,
)

if TYPE_CHECKING:
    from torch import Tensor

    from dreamcade.engine.engine import Engine
    from dreamcade.engine.handle import EncodedFrame, Handle
    from dreamcade.engine.runner import GameLoop
    from dreamcade.engine.session import Session

MOST_SESSIONS = 64
"""However quick a replica is: so many are lost at once with it."""
WARM_UP = 3
"""Ticks that are timed before anybody plays."""

logger = logging.getLogger(__name__)


class Post:
    """Sends in a thread of its own, in order, and what `report` says as often as is promised."""

    def __init__(self, wire: Wire) -> None:
        self.report: Callable[[], Fields] = dict
        self._wire = wire
        self._changed = threading.Condition()
        self._waiting: deque[Callable[[], Outgoing]] = deque()
        self._thread = threading.Thread(target=self._run, name="dreamcade-post", daemon=True)
        self._thread.start()

    def put(self, kind: str, fields: Fields, *parts: bytes) -> None:
        """Returns at once, in any thread."""
        self.put_later(lambda: (kind, fields, parts))

    def put_later(self, make: Callable[[], Outgoing]) -> None:
        """The same for a message that is made when its turn comes, in the thread that sends."""
        with self._changed:
            self._waiting.append(make)
            self._changed.notify()

    def _run(self) -> None:
        due = 0.0
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._waiting, timeout=max(0.0, due - time.monotonic()))
                    make = self._waiting.popleft() if self._waiting else None
                if make is not None:
                    self._wire.send(*make())
                if time.monotonic() >= due:
                    self._wire.send("load", self.report())
                    due = time.monotonic() + REPORT_SECONDS
        except PeerLostError:
            pass
        except Exception:
            logger.exception("a replica cannot tell what it does")
        self._wire.close()  # which ends whoever receives


class PostKeeper:
    """Tells the gateway of a session's ticks."""

    def __init__(self, session: str, post: Post) -> None:
        self._session = session
        self._post = post

    def begin(self, seed: int, start: str | None) -> None:
        self._post.put("began", {"session": self._session, "seed": seed, "start": start})

    def took(self, tick: int, action: ActionVector, tokens: Tensor, skips: int) -> None:
        from dreamcade.engine.journal import Entry

        self._post.put_later(lambda: tick_message(self._session, Entry.of(tick, action, tokens, skips)))


@dataclass(slots=True)
class Played:
    """A session here, and its handle once it is attached."""

    session: Session
    handle: Handle | None = None


class Replica:
    """Obeys a gateway."""

    def __init__(self, engine: Engine, loop: GameLoop, post: Post) -> None:
        self._engine = engine
        self._loop = loop
        self._post = post
        self._played: dict[str, Played] = {}

    def obey(self, message: Message) -> None:
        """Acts on one message. A session that is not here (it failed, or has left) is asked for nothing."""
        name = str(message.fields["session"])
        if message.kind == "open":
            self._open(name, message)
        elif name in self._played:
            try:
                self._tell(name, self._played[name], message)
            except Exception as error:  # one player's; the others play on
                self._post.put("error", {"session": name, "reason": _reason(error)})

    def load(self, most: int) -> Fields:
        """What it can do and does, and what of it hangs; to be asked every `REPORT_SECONDS`."""
        idle, sessions, hangs = self._loop.idle, len(self._played), self._engine.progress.look(REPORT_SECONDS)
        capacity, busy = idle.capacity(BUSIEST, most), idle.busy(sessions)
        return {"sessions": sessions, "capacity": capacity, "busy": busy, "hangs": hangs}

    def _open(self, name: str, message: Message) -> None:
        from dreamcade.engine.journal import Journal

        try:
            session = self._engine.resume_session(Journal.unpack(message.fields["journal"], message.parts))
        except Exception as error:
            self._post.put("refused", {"session": name, "reason": _reason(error)})
            return
        session.keeper = PostKeeper(name, self._post)
        self._played[name] = Played(session)
        self._post.put("opened", {"session": name})

    def _tell(self, name: str, played: Played, message: Message) -> None:
        fields, handle = message.fields, played.handle
        match message.kind:
            case "attach":
                self._attach(name, played, fields)
            case "snapshot":
                self._post.put("saved", {"session": name, "request": fields["request"]}, played.session.snapshot())
            case "hand_over":
                if handle is not None:
                    handle.detach()
                played.session.close()
                del self._played[name]
                self._post.put("handed_over", {"session": name})
            case "input" if handle is not None:
                given = input_of(fields, time.perf_counter())
                handle.input(given.action, given.sequence, given.client_ms)
            case "pause" if handle is not None:
                handle.pause()
            case "resume" if handle is not None:
                handle.resume()
            case "reset" if handle is not None:
                handle.reset(fields["seed"], fields["start"])
            case "modes" if handle is not None:
                handle.set_modes(**fields["modes"])

    def _attach(self, name: str, played: Played, fields: Fields) -> None:
        from dreamcade.engine.modes import Modes

        post = self._post

        def show(frame: EncodedFrame) -> None:
            post.put_later(lambda: frame_message(name, frame))

        def fail(error: Exception) -> None:
            post.put("error", {"session": name, "reason": _reason(error)})

        def notice(text: str) -> None:
            post.put("notice", {"session": name, "text": text})

        with self._loop.changed:  # no tick before it is paused, or has its input
            played.handle = self._loop.attach(played.session, show, fail, notice, Modes(**fields["modes"]))
            if fields["paused"]:
                played.handle.pause()
            if fields["input"] is not None:
                given = input_of(fields["input"], 0.0)
                played.handle.input(given.action, given.sequence, given.client_ms)


@dataclass(frozen=True, slots=True)
class Setting:
    """How a replica plays; as the options of `dreamcade play`. `layout` as JSON; `on_ray`: it is an actor, and so are
    its workers."""

    device: str = "auto"
    steps: int | None = None
    kernels: str = "auto"
    pipeline: bool = True
    devices: str | None = None
    layout: Fields | None = None
    on_ray: bool = False


def play(address: str, token: str, name: str, world: str, most: int = MOST_SESSIONS, **setting: Any) -> None:
    """The errand of a replica: plays `world` as `Setting` says, for the gateway at `address`, until that goes."""
    with contextlib.suppress(PeerLostError), contextlib.ExitStack() as closing:
        wire = knock(address, name, token)
        closing.callback(wire.close)
        post = Post(wire)
        post.put("loading", {"pid": os.getpid(), "node": platform.node(), "python": platform.python_version()})
        try:
            engine, loop = _prepare(world, Setting(**setting), closing)
        except Exception as error:
            post.put("failed", {"reason": _reason(error)})
            wire.receive()  # until the gateway has heard it and goes
            return
        replica = Replica(engine, loop, post)
        post.report = functools.partial(replica.load, most)
        post.put("ready", {"path": engine.path, "identity": engine.world.identity, **replica.load(most)})
        while (message := wire.receive()) is not None:
            replica.obey(message)


def _prepare(world: str, setting: Setting, closing: contextlib.ExitStack) -> tuple[Engine, GameLoop]:
    """A warm engine and its loop, which knows already how long things take; `closing` ends both."""
    from dreamcade.cluster.layout import Layout
    from dreamcade.cluster.ray_hosts import PipelineHosts
    from dreamcade.engine.engine import Engine
    from dreamcade.engine.runner import GameLoop
    from dreamcade.server.encoding import encode_jpeg
    from dreamcade.world.aside import aside
    from dreamcade.world.world import World

    on_gpus = (setting.devices or setting.device).startswith("cuda")
    engine = Engine(
        World.load(world), setting.device, setting.steps, kernels=setting.kernels, devices=setting.devices,
        plan=None if setting.layout is None else Layout.from_json(setting.layout),
        hosts=PipelineHosts() if setting.on_ray and not on_gpus else None,
    )  # fmt: skip
    closing.callback(engine.close)
    if setting.pipeline:
        engine.share_cores()
    loop = GameLoop(engine, encode=encode_jpeg, pipeline=setting.pipeline)
    aside(lambda: _warm_up(engine, loop))
    loop.start()
    closing.callback(loop.stop)
    return engine, loop


def _warm_up(engine: Engine, loop: GameLoop) -> None:
    from dreamcade.server.encoding import encode_jpeg

    session = engine.open_session(seed=0)
    for _ in range(WARM_UP):
        began = time.perf_counter()
        dreamed = engine.dream_many({session: engine.world.controls.idle()})
        if engine.device.type == "cuda":
            dreamed[session].latent.cpu()  # waits for it
        loop.idle.passed(1, time.perf_counter() - began)
        began = time.perf_counter()
        [frame] = engine.draw(list(dreamed.values()))
        encode_jpeg(frame.pixels)
        loop.idle.drew(1, time.perf_counter() - began)
    session.close()


def _reason(error: Exception) -> str:
    """One line. What no caller can cause is in this process's log."""
    if not isinstance(error, DreamcadeError):
        logger.error("a replica failed", exc_info=error)
    return " ".join(str(error).split()) or type(error).__name__
