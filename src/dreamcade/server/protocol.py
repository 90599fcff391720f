"""What travels between page and server: one versioned protocol, parsed once, here (`client/protocol.js` mirrors it).

Frames and inputs are binary, little-endian, with a fixed header; everything else is a small JSON object
whose `type` names it. Whatever does not parse raises `ProtocolError`, which says whether play can go on.
"""

from __future__ import annotations

import math
import struct
from dataclasses import astuple, dataclass, field

import numpy as np

from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector, FrameKind, FrameTiming, Tally

PROTOCOL_VERSION = 3
MAGIC = b"DC"
KIND_FRAME = 1
KIND_INPUT = 2

# magic, version, kind, tick, sequence, payload bytes, client clock (ms), dynamics, decode, encode, wait, queue, ready
# (ms), frames per second, how it was made, flags, two bytes of nothing, ticks the engine skipped, frames the connection
# was too slow for, the tally: computed, extrapolated, in between, drafted, missed, wasted
FRAME_HEADER = struct.Struct("<2sBBIIIdfffffffBBxxIIIIIIII")
FLAG_DRAFTED = 1
# magic, version, kind, sequence, client clock (ms); A float32 follow
INPUT_HEADER = struct.Struct("<2sBBId")
U32 = 0xFFFFFFFF


class ProtocolError(BadInputError):
    """A message that does not follow the protocol. `code` is stable; after a `fatal` one the connection closes."""

    def __init__(self, code: str, message: str, *, fatal: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.fatal = fatal


@dataclass(frozen=True, slots=True)
class FrameMessage:
    """One encoded frame: `image` is a JPEG; `sequence` and `client_ms` echo the newest input that it used."""

    image: bytes
    tick: int
    sequence: int = 0
    client_ms: float = 0.0
    timing: FrameTiming = field(default_factory=FrameTiming)
    fps: float = 0.0
    late: int = 0
    dropped: int = 0
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class InputMessage:
    """The player's controls: float32 `[A]`, finite; `client_ms` is the page's clock when they changed."""

    action: ActionVector
    sequence: int
    client_ms: float


def pack_frame(message: FrameMessage) -> bytes:
    """A frame as header + JPEG."""
    timing = message.timing
    header = FRAME_HEADER.pack(
        MAGIC,
        PROTOCOL_VERSION,
        KIND_FRAME,
        message.tick & U32,
        message.sequence & U32,
        len(message.image),
        message.client_ms,
        timing.dynamics_ms,
        timing.decode_ms,
        timing.encode_ms,
        timing.wait_ms,
        timing.queue_ms,
        timing.ready_ms,
        message.fps,
        timing.kind,
        FLAG_DRAFTED if timing.drafted else 0,
        message.late & U32,
        message.dropped & U32,
        *(count & U32 for count in astuple(message.tally)),
    )
    return header + message.image


def unpack_frame(data: bytes) -> FrameMessage:
    """Inverse of `pack_frame`; raises `ProtocolError`."""
    _check_head(data, KIND_FRAME, FRAME_HEADER.size)
    _, _, _, tick, sequence, size, client_ms, *rest = FRAME_HEADER.unpack_from(data)
    dynamics, decode, encode, wait, queue, ready, fps, kind, flags, late, dropped, *tally = rest
    image = data[FRAME_HEADER.size :]
    if len(image) != size:
        raise ProtocolError("length", f"a frame of {size} image bytes was announced; {len(image)} came")
    if kind not in set(FrameKind):
        raise ProtocolError("value", f"a frame is made in one of the ways {[*map(int, FrameKind)]}; got {kind}")
    drafted = bool(flags & FLAG_DRAFTED)
    timing = FrameTiming(dynamics, decode, encode, wait, queue, ready, FrameKind(kind), drafted)
    return FrameMessage(image, tick, sequence, client_ms, timing, fps, late, dropped, Tally(*tally))


def pack_input(message: InputMessage) -> bytes:
    """An input as header + A float32."""
    head = INPUT_HEADER.pack(MAGIC, PROTOCOL_VERSION, KIND_INPUT, message.sequence & U32, message.client_ms)
    return head + np.asarray(message.action, "<f4").tobytes()


def unpack_input(data: bytes, action_size: int) -> InputMessage:
    """Inverse of `pack_input` for a world with `action_size` controls.

    Raises `ProtocolError` on a foreign magic or version, another kind, a wrong length, NaN or infinity.
    """
    _check_head(data, KIND_INPUT, INPUT_HEADER.size)
    expected = INPUT_HEADER.size + 4 * action_size
    if len(data) != expected:
        raise ProtocolError(
            "length", f"an input for {action_size} controls has {expected} bytes; got {len(data)}; reload the page"
        )
    _, _, _, sequence, client_ms = INPUT_HEADER.unpack_from(data)
    action = np.frombuffer(data, "<f4", offset=INPUT_HEADER.size).astype(np.float32)
    if not np.isfinite(action).all() or not math.isfinite(client_ms):
        raise ProtocolError("value", f"an input must hold finite numbers; got {action.tolist()} at {client_ms} ms")
    return InputMessage(action, sequence, client_ms)


def _check_head(data: bytes, kind: int, size: int) -> None:
    if len(data) < 4 or data[:2] != MAGIC:
        raise ProtocolError("malformed", f"a binary message starts with {MAGIC!r}; got {data[:4]!r}")
    if data[2] != PROTOCOL_VERSION:
        raise ProtocolError(
            "version", f"this server speaks protocol {PROTOCOL_VERSION}; got {data[2]}; reload the page", fatal=True
        )
    if data[3] != kind:
        raise ProtocolError("kind", f"expected a binary message of kind {kind}; got {data[3]}")
    if len(data) < size:
        raise ProtocolError("length", f"a message of kind {kind} has a header of {size} bytes; got {len(data)}")
