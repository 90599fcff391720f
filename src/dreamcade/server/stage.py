"""What the arcade and a connection ask of whatever is played behind the page: a world's engine, or a real game."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dreamcade.core.controls import Controls
from dreamcade.core.types import ActionVector
from dreamcade.engine.handle import EncodedFrame
from dreamcade.engine.modes import Modes

Sink = Callable[[EncodedFrame], None]
OnError = Callable[[Exception], None]
OnNotice = Callable[[str], None]


class StageManifest(Protocol):
    """What the gallery tells about it."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def game(self) -> str: ...
    @property
    def controls(self) -> Controls: ...
    @property
    def frame_size(self) -> tuple[int, int]: ...
    @property
    def tick_rate(self) -> float: ...
    @property
    def sampling_steps(self) -> int: ...
    @property
    def card(self) -> Mapping[str, Any]: ...


class StageStart(Protocol):
    """A place to begin from."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def thumbnail(self) -> bytes: ...


class StageWorld(Protocol):
    """What can be played; `start` raises `UnknownNameError`."""

    @property
    def manifest(self) -> StageManifest: ...
    @property
    def starts(self) -> Sequence[StageStart]: ...
    @property
    def controls(self) -> Controls: ...
    @property
    def tick_rate(self) -> float: ...
    @property
    def clip(self) -> bytes | None: ...
    def start(self, name: str | None) -> StageStart: ...


class StageSession(Protocol):
    """One player's play."""

    def close(self) -> None: ...


class StageEngine(Protocol):
    """Opens plays."""

    def open_session(self, seed: int = 0, start: str | None = None) -> Any: ...


class StageHandle(Protocol):
    """A play that runs; see `engine.handle.Handle`."""

    def input(self, action: ActionVector, sequence: int, client_ms: float) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def reset(self, seed: int | None = None, start: str | None = None) -> None: ...
    @property
    def modes(self) -> Modes: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    def set_modes(
        self,
        speculation: bool | None = None,
        extrapolation: bool | None = None,
        in_between: bool | None = None,
        pipeline: bool | None = None,
    ) -> None: ...
    def detach(self) -> None: ...


class WithoutModes:
    """A play whose engine has nothing to switch, as far as the page asks: all is off, and nothing is missing."""

    @property
    def modes(self) -> Modes:
        return Modes(pipeline=False, speculation=False, extrapolation=False, in_between=False)

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    def set_modes(
        self,
        speculation: bool | None = None,
        extrapolation: bool | None = None,
        in_between: bool | None = None,
        pipeline: bool | None = None,
    ) -> None:
        """Changes nothing."""


class StageLoop(Protocol):
    """Keeps the time of every play that is attached; `stop` ends them."""

    def attach(
        self, session: Any, sink: Sink, on_error: OnError | None = None, on_notice: OnNotice | None = None
    ) -> StageHandle:
        """`on_notice(text)` is called, from any thread, with what the player should know while play goes on."""

    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """Something that can be played, what opens its plays, and the loop that keeps its time."""

    world: StageWorld
    engine: StageEngine
    loop: StageLoop
    path: str = ""
    """What runs a world's networks, for people."""
    close: Callable[[], None] | None = None
    """Ends what the engine has started elsewhere, once the loop has stopped."""
    status: Callable[[], Mapping[str, Any]] | None = None
    """Where everything is, where there is more to tell than that it plays; for the health page."""
    hangs: Callable[[], str] | None = None
    """What has not ended for long; empty while play goes on."""
