"""A session as bytes. Layout: magic, version, lengths, CRC; a JSON header; tensors as safetensors."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from dreamcade.core.errors import BadInputError, WorldError

SNAPSHOT_VERSION = 2
"""Version 1 also held a generator's state; it goes on from there with the noise of this build."""
_MAGIC = b"DREAMCDE"
_PREFIX = struct.Struct("<8sHIQI")  # magic, version, header bytes, tensor bytes, CRC-32 of both


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`identity` is the world's; `tensors` hold the dynamics' state and the opening; `skips` as in `Session`."""

    world: str
    identity: str
    tick: int
    seed: int
    start: str | None
    tensors: Mapping[str, Tensor]
    skips: int = 0


def pack(snapshot: Snapshot) -> bytes:
    """Snapshot → bytes."""
    fields = {
        "world": snapshot.world,
        "identity": snapshot.identity,
        "tick": snapshot.tick,
        "seed": snapshot.seed,
        "start": snapshot.start,
        "skips": snapshot.skips,
    }
    header = json.dumps(fields).encode()
    body = save({name: tensor.contiguous() for name, tensor in snapshot.tensors.items()})
    crc = zlib.crc32(body, zlib.crc32(header))
    return _PREFIX.pack(_MAGIC, SNAPSHOT_VERSION, len(header), len(body), crc) + header + body


def unpack(data: bytes) -> Snapshot:
    """Inverse of `pack`. Raises `BadInputError`: not a snapshot, of a newer version, cut short or damaged."""
    if not isinstance(data, bytes | bytearray | memoryview):
        raise BadInputError(f"a snapshot is bytes, as session.snapshot() returns them; got {type(data).__name__}")
    data = bytes(data)
    if data[: len(_MAGIC)] != _MAGIC:
        raise BadInputError("this is not a snapshot of a session; give the bytes of session.snapshot()")
    if len(data) < _PREFIX.size:
        raise BadInputError("the snapshot is cut short; save it again")
    _, version, header_size, body_size, crc = _PREFIX.unpack_from(data)
    if version > SNAPSHOT_VERSION:
        raise BadInputError(
            f"snapshot version {version} is newer than this build reads ({SNAPSHOT_VERSION}); "
            "upgrade with: pip install --upgrade dreamcade"
        )
    rest = data[_PREFIX.size :]
    if len(rest) != header_size + body_size:
        raise BadInputError(f"the snapshot is cut short: {header_size + body_size} bytes expected, got {len(rest)}")
    if zlib.crc32(rest) != crc:
        raise BadInputError("the snapshot is damaged (its checksum is wrong); save it again")
    try:
        header: dict[str, Any] = json.loads(rest[:header_size])
        return Snapshot(**header, tensors=load(rest[header_size:]))
    except (ValueError, TypeError, SafetensorError) as error:
        raise BadInputError(f"the snapshot is damaged ({error}); save it again") from error


def check_world(snapshot: Snapshot, name: str, identity: str) -> None:
    """Raises `WorldError` when `snapshot` was taken in another world than this one."""
    if snapshot.identity == identity:
        return
    same = snapshot.world == name
    which = f"another build of world {name!r}" if same else f"world {snapshot.world!r}, not of {name!r}"
    raise WorldError(f"this is a snapshot of {which}; restore it with the world that it was taken in")
