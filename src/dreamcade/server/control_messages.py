"""The JSON half of the protocol: typed messages, strictly read. Unknown types, fields or values are errors."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from dreamcade.server.protocol import PROTOCOL_VERSION, ProtocolError

MAX_SEED = 2**53 - 1
"""The largest seed that a browser can write exactly."""


@dataclass(frozen=True, slots=True)
class Hello:
    """First message of a page: which world, from which start (none: the first), with which seed."""

    type: ClassVar[str] = "hello"
    world: str
    start: str | None = None
    seed: int | None = None
    version: int = PROTOCOL_VERSION


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop the clock of this session; nothing is computed until `Resume`."""

    type: ClassVar[str] = "pause"


@dataclass(frozen=True, slots=True)
class Resume:
    """Let the clock of this session run again."""

    type: ClassVar[str] = "resume"


@dataclass(frozen=True, slots=True)
class Reset:
    """Begin again; what is not given stays as it was."""

    type: ClassVar[str] = "reset"
    seed: int | None = None
    start: str | None = None


@dataclass(frozen=True, slots=True)
class SetModes:
    """Switches of the engine for this player (`engine.modes.Modes`); what is not given stays as it is."""

    type: ClassVar[str] = "set_modes"
    pipeline: bool | None = None
    speculation: bool | None = None
    extrapolation: bool | None = None
    in_between: bool | None = None


@dataclass(frozen=True, slots=True)
class Bye:
    """Either side ends the connection on purpose."""

    type: ClassVar[str] = "bye"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Waking:
    """The world is still loading; `Ready` follows."""

    type: ClassVar[str] = "waking"
    message: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The session is open and its clock runs."""

    type: ClassVar[str] = "ready"
    world: str
    start: str
    seed: int
    tick_rate: float
    action_size: int
    version: int = PROTOCOL_VERSION


@dataclass(frozen=True, slots=True)
class Modes:
    """What is really on for this player: after `Ready`, and after every `SetModes`. `notes`, a sentence a line, say
    what cannot be switched on and what would change that."""

    type: ClassVar[str] = "modes"
    pipeline: bool
    speculation: bool
    extrapolation: bool
    in_between: bool
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the player should know while play goes on: devices were lost, or are back. An empty text takes
    back what was said before."""

    type: ClassVar[str] = "notice"
    text: str


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """Something went wrong; after a fatal one the server closes the connection."""

    type: ClassVar[str] = "error"
    code: str
    message: str
    fatal: bool = False


ClientMessage = Hello | Pause | Resume | Reset | SetModes | Bye
ServerMessage = Waking | Ready | Modes | Notice | ErrorMessage | Bye
ControlMessage = ClientMessage | ServerMessage

CLIENT_TYPES: tuple[type[ClientMessage], ...] = (Hello, Pause, Resume, Reset, SetModes, Bye)
SERVER_TYPES: tuple[type[ServerMessage], ...] = (Waking, Ready, Modes, Notice, ErrorMessage, Bye)


def dump_control(message: ControlMessage) -> str:
    """A control message as JSON text."""
    return json.dumps({"type": message.type, **dataclasses.asdict(message)}, allow_nan=False)


def parse_client(text: str) -> ClientMessage:
    """JSON text from a page → its message; raises `ProtocolError`."""
    message = _parse(text, {t.type: t for t in CLIENT_TYPES})
    assert isinstance(message, CLIENT_TYPES)
    return message


def parse_server(text: str) -> ServerMessage:
    """JSON text from a server → its message; raises `ProtocolError`."""
    message = _parse(text, {t.type: t for t in SERVER_TYPES})
    assert isinstance(message, SERVER_TYPES)
    return message


def _parse(text: str, types: Mapping[str, type[ControlMessage]]) -> ControlMessage:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("malformed", f"a control message is JSON; {text[:60]!r} is not") from error
    if not isinstance(data, dict):
        raise ProtocolError("malformed", f"a control message is a JSON object; got {text[:60]!r}")
    kind = data.pop("type", None)
    if not isinstance(kind, str) or kind not in types:
        raise ProtocolError("kind", f"expected a message of type {', '.join(types)}; got {kind!r}")
    cls = types[kind]
    known = {f.name: f for f in dataclasses.fields(cls)}
    for name in data:
        if name not in known:
            raise ProtocolError("field", f"message {kind!r} has no field {name!r}; it has {', '.join(known) or 'none'}")
    for name, field in known.items():
        if name not in data and field.default is dataclasses.MISSING:
            raise ProtocolError("field", f"message {kind!r} needs the field {name!r}")
    if "version" in known and data.get("version") != PROTOCOL_VERSION:
        raise ProtocolError(
            "version",
            f"this side speaks protocol {PROTOCOL_VERSION}; got {data.get('version')!r}; reload the page",
            fatal=True,
        )
    return cls(**{name: _READERS[str(known[name].type)](f"{kind}.{name}", value) for name, value in data.items()})


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > 4096:
        raise ProtocolError("value", f"{name} must be a text of at most 4096 letters; got {value!r:.80}")
    return value


def _integer(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_SEED:
        raise ProtocolError("value", f"{name} must be a whole number from 0 to {MAX_SEED}; got {value!r:.80}")
    return value


def _number(name: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not -1e12 < value < 1e12:
        raise ProtocolError("value", f"{name} must be a finite number; got {value!r:.80}")
    return float(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ProtocolError("value", f"{name} must be true or false; got {value!r:.80}")
    return value


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "str": _text,
    "int": _integer,
    "float": _number,
    "bool": _flag,
    "str | None": lambda name, value: None if value is None else _text(name, value),
    "bool | None": lambda name, value: None if value is None else _flag(name, value),
    "int | None": lambda name, value: None if value is None else _integer(name, value),
}
