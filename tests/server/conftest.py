"""A world, an engine and a loop without PyTorch: they stand in where only the server is under test."""

from __future__ import annotations

import dataclasses
import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from dreamcade.core.controls import Axis, Button, Controls
from dreamcade.core.errors import UnknownNameError, WorldError
from dreamcade.core.types import FrameKind, FrameTiming, Tally
from dreamcade.engine.modes import Modes
from dreamcade.server.app import Limits, create_app
from dreamcade.server.arcade import Arcade
from dreamcade.server.encoding import encode_jpeg
from dreamcade.server.stage import Stage

CONTROLS = Controls(
    axes=(
        Axis("steer", negative_keys=("ArrowLeft",), positive_keys=("ArrowRight",), gamepad="axis:0", touch="left"),
        Axis("gas", low=0.0, positive_keys=("ArrowUp",), gamepad="button:7", touch="right"),
    ),
    buttons=(Button("horn", keys=("Space",), gamepad="button:0", touch="right"),),
)


@dataclass(frozen=True)
class FakeStart:
    name: str
    title: str
    thumbnail: bytes


@dataclass(frozen=True)
class FakeManifest:
    name: str = "meadow"
    title: str = "Meadow"
    description: str = "A field of one colour."
    game: str = "none"
    controls: Controls = CONTROLS
    frame_size: tuple[int, int] = (48, 32)
    tick_rate: float = 50.0
    sampling_steps: int = 2
    card: dict[str, Any] = field(
        default_factory=lambda: {
            "hours": 1.5,
            "does badly": ["Nothing grows here."],
            "what must hold": [
                {"title": "Next frame", "value": "5.20 dB", "target": "≥ 5 dB", "holds": True},
                {"title": "Walls", "value": "not measured", "target": "≥ 99 %", "holds": None},
            ],
        }
    )


def moving_picture() -> bytes:
    """An animated WebP of two colours."""
    pictures = [Image.new("RGB", (96, 32), colour) for colour in ("navy", "teal")]
    buffer = io.BytesIO()
    pictures[0].save(buffer, "WEBP", save_all=True, append_images=pictures[1:], duration=200)
    return buffer.getvalue()


class FakeWorld:
    def __init__(self, name: str = "meadow") -> None:
        self.manifest = FakeManifest(name=name)
        grey = encode_jpeg(np.full((32, 48, 3), 90, np.uint8))
        self.starts = (FakeStart("dawn", "Dawn", grey), FakeStart("dusk", "Dusk", grey))
        self.controls = self.manifest.controls
        self.tick_rate = self.manifest.tick_rate
        self.clip = moving_picture()

    def start(self, name: str | None) -> FakeStart:
        found = {s.name: s for s in self.starts}
        if name is not None and name not in found:
            raise UnknownNameError("start", name, found)
        return self.starts[0] if name is None else found[name]


class FakeSession:
    def __init__(self, seed: int, start: str | None) -> None:
        self.seed = seed
        self.start = start
        self.closed = False

    def close(self) -> None:
        self.closed = True


class FakeEngine:
    def __init__(self) -> None:
        self.sessions: list[FakeSession] = []

    def open_session(self, seed: int = 0, start: str | None = None) -> FakeSession:
        self.sessions.append(FakeSession(seed, start))
        return self.sessions[-1]


TIMING = FrameTiming(8.0, 3.0, 2.0, 1.0, queue_ms=0.5, ready_ms=9.0, kind=FrameKind.EXTRAPOLATED, drafted=True)
TALLY = Tally(computed=6, extrapolated=3, in_between=1, drafted=8, missed=2, wasted=5)


@dataclass(frozen=True)
class FakeEncodedFrame:
    data: bytes
    tick: int
    sequence: int
    client_ms: float
    timing: FrameTiming
    late: int = 0
    fps: float = 50.0
    tally: Tally = TALLY


class FakeHandle:
    """Sends a frame whose brightness is the steering, fifty times a second, from a thread of its own."""

    def __init__(self, world: FakeWorld, sink: Any, on_error: Any, on_notice: Any) -> None:
        self.world = world
        self.sink = sink
        self.on_error = on_error
        self.on_notice = on_notice
        self.calls: list[str] = []
        self.newest = (np.zeros(3, np.float32), 0, 0.0)
        self.running = threading.Event()
        self.running.set()
        self.over = False
        self.modes = Modes(pipeline=True, speculation=False, extrapolation=False, in_between=False)
        self.notes = ("Speculation is off: make a predictor with: dreamcade train predictor DATA --world DIR",)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        tick = 0
        while not self.over:
            self.running.wait()
            action, sequence, client_ms = self.newest
            pixels = np.full((32, 48, 3), int(128 + 100 * action[0]), np.uint8)
            self.sink(FakeEncodedFrame(encode_jpeg(pixels), tick, sequence, client_ms, TIMING))
            tick += 1
            time.sleep(0.02)

    def input(self, action: np.ndarray, sequence: int, client_ms: float) -> None:
        self.newest = (action, sequence, client_ms)

    def pause(self) -> None:
        self.calls.append("pause")
        self.running.clear()

    def resume(self) -> None:
        self.calls.append("resume")
        self.running.set()

    def reset(self, seed: int | None = None, start: str | None = None) -> None:
        if start is not None:
            self.world.start(start)
        self.calls.append(f"reset {seed} {start}")

    def set_modes(self, **wanted: bool | None) -> None:
        """Everything but speculation can be switched."""
        given = {name: on for name, on in wanted.items() if on is not None and name != "speculation"}
        self.modes = dataclasses.replace(self.modes, **given)

    def detach(self) -> None:
        self.calls.append("detach")
        self.over = True
        self.running.set()


class FakeLoop:
    def __init__(self, world: FakeWorld) -> None:
        self.world = world
        self.handles: list[FakeHandle] = []
        self.stopped = False

    def attach(self, session: FakeSession, sink: Any, on_error: Any = None, on_notice: Any = None) -> FakeHandle:
        self.handles.append(FakeHandle(self.world, sink, on_error, on_notice))
        return self.handles[-1]

    def stop(self) -> None:
        self.stopped = True


def load_fake(name: str) -> Stage:
    if name == "broken":
        raise WorldError("world 'broken' is damaged: world.json is missing; get it again")
    world = FakeWorld(name)
    return Stage(world, FakeEngine(), FakeLoop(world))  # type: ignore[arg-type]


@pytest.fixture
def make_stage() -> Callable[[str], Stage]:
    """What an `Arcade` needs to load the stand-in worlds; `broken` cannot be loaded."""
    return load_fake


@pytest.fixture
def arcade() -> Arcade:
    return Arcade(lambda: ["broken", "meadow"], load_fake)


@pytest.fixture
def client(arcade: Arcade) -> Iterator[TestClient]:
    with TestClient(create_app(arcade, limits=Limits(max_sessions=2)), base_url="http://127.0.0.1:8710") as client:
        arcade.stage("meadow")
        yield client
