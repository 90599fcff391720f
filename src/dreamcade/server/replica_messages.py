"""What a gateway and its replicas say to each other, as messages of `cluster/wire.py`.

To a replica: `open` (a journal), `attach`, `input`, `pause`, `resume`, `reset`, `modes`, `snapshot`, `hand_over`. From
it: `loading`, `ready` or `failed`, `load` now and then, and of each session `opened` or `refused`, `began`, `tick`,
`frame`, `notice`, `error`, `saved`, `handed_over`. All of one session come in the order in which they happened: a
frame never comes before its tick's entry, so whoever has shown a frame can go on from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dreamcade.cluster.wire import Message
from dreamcade.core.types import ActionVector, FrameKind, FrameTiming, Tally
from dreamcade.engine.handle import EncodedFrame
from dreamcade.engine.journal import Entry
from dreamcade.engine.mailbox import Input

REPORT_SECONDS = 0.2
"""How often a replica tells its load, and so that it lives."""

Fields = dict[str, Any]
Outgoing = tuple[str, Fields, Sequence[bytes]]
_TIMES = [field.name for field in dataclasses.fields(FrameTiming) if field.name not in ("kind", "drafted")]


def frame_message(session: str, frame: EncodedFrame) -> Outgoing:
    timing = [getattr(frame.timing, name) for name in _TIMES]
    fields = {
        "session": session, "tick": frame.tick, "sequence": frame.sequence, "client_ms": frame.client_ms,
        "timing": timing, "kind": int(frame.timing.kind), "drafted": frame.timing.drafted, "late": frame.late,
        "fps": frame.fps, "tally": list(dataclasses.astuple(frame.tally)),
    }  # fmt: skip
    return "frame", fields, [frame.data]


def frame_of(message: Message) -> EncodedFrame:
    """Inverse of `frame_message`. Raises `KeyError`, `ValueError` or `TypeError` for what is none."""
    told = message.fields
    times = dict(zip(_TIMES, map(float, told["timing"]), strict=True))
    timing = FrameTiming(**times, kind=FrameKind(told["kind"]), drafted=bool(told["drafted"]))
    [data] = message.parts
    return EncodedFrame(
        bytes(data), int(told["tick"]), int(told["sequence"]), float(told["client_ms"]), timing, int(told["late"]),
        float(told["fps"]), Tally(*map(int, told["tally"])),
    )  # fmt: skip


def tick_message(session: str, entry: Entry) -> Outgoing:
    fields = {
        "session": session, "tick": entry.tick, "action": entry.action.tolist(), "dtype": entry.dtype,
        "skips": entry.skips,
    }  # fmt: skip
    return "tick", fields, [entry.tokens]


def entry_of(message: Message) -> Entry:
    """Inverse of `tick_message`; raises likewise."""
    told, [tokens] = message.fields, message.parts
    action = np.asarray(told["action"], np.float32)
    return Entry(int(told["tick"]), action, bytes(tokens), str(told["dtype"]), int(told["skips"]))


def input_fields(action: ActionVector, sequence: int, client_ms: float) -> Fields:
    return {"action": [float(value) for value in action], "sequence": sequence, "client_ms": client_ms}


def input_of(fields: Mapping[str, Any], received: float) -> Input:
    """Inverse of `input_fields`, for an input that came in at `received` (our seconds)."""
    action = np.asarray(fields["action"], np.float32)
    return Input(action, int(fields["sequence"]), float(fields["client_ms"]), received)
