from __future__ import annotations

import numpy as np
import pytest

from dreamcade.cluster.wire import Message
from dreamcade.core.types import FrameKind, FrameTiming, Tally
from dreamcade.engine import EncodedFrame
from dreamcade.engine.journal import Entry
from dreamcade.server.replica_messages import (
    Outgoing,
    entry_of,
    frame_message,
    frame_of,
    input_fields,
    input_of,
    tick_message,
)

TIMING = FrameTiming(1.5, 2.5, 3.5, 4.5, 5.5, 6.5, FrameKind.EXTRAPOLATED, drafted=True)
FRAME = EncodedFrame(b"jpeg", 7, 2**40, 123.25, TIMING, 3, 24.9, Tally(1, 2, 3, 4, 5, 6))


def arrived(outgoing: Outgoing) -> Message:
    kind, fields, parts = outgoing
    return Message(kind, fields, tuple(bytearray(part) for part in parts))


def test_a_frame_arrives_with_everything() -> None:
    message = arrived(frame_message("s", FRAME))
    assert (message.kind, message.fields["session"]) == ("frame", "s")
    assert frame_of(message) == FRAME


def test_an_entry_arrives() -> None:
    entry = Entry(9, np.array([0.1, -1.0], np.float32), b"\0\1\2\3", "bfloat16", 2)
    got = entry_of(arrived(tick_message("s", entry)))
    assert got.action.dtype == np.float32
    assert np.array_equal(got.action, entry.action)
    assert (got.tick, got.tokens, got.dtype, got.skips) == (9, b"\0\1\2\3", "bfloat16", 2)


def test_an_input_arrives_to_the_last_bit() -> None:
    action = np.array([0.1, 1 / 3], np.float32)
    got = input_of(input_fields(action, 2**33, 1.5), received=4.0)
    assert np.array_equal(got.action, action)
    assert (got.sequence, got.client_ms, got.received) == (2**33, 1.5, 4.0)


@pytest.mark.parametrize("broken", ["timing", "kind", "tally", "tick"])
def test_what_is_no_frame(broken: str) -> None:
    message = arrived(frame_message("s", FRAME))
    message.fields[broken] = ["x"]
    with pytest.raises((KeyError, ValueError, TypeError)):
        frame_of(message)
