from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dreamcade.server
from dreamcade.core.types import FrameKind, FrameTiming, Tally
from dreamcade.server.protocol import (
    FLAG_DRAFTED,
    FRAME_HEADER,
    INPUT_HEADER,
    PROTOCOL_VERSION,
    FrameMessage,
    InputMessage,
    ProtocolError,
    pack_frame,
    pack_input,
    unpack_frame,
    unpack_input,
)

U32 = st.integers(0, 2**32 - 1)
F32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
F64 = st.floats(allow_nan=False, allow_infinity=False)
TIMINGS = st.builds(
    FrameTiming, F32, F32, F32, F32, F32, F32, kind=st.sampled_from(FrameKind), drafted=st.booleans()
)  # fmt: skip
TALLIES = st.builds(Tally, U32, U32, U32, U32, U32, U32)
FRAMES = st.builds(
    FrameMessage,
    image=st.binary(max_size=200),
    tick=U32,
    sequence=U32,
    client_ms=F64,
    timing=TIMINGS,
    fps=F32,
    late=U32,
    dropped=U32,
    tally=TALLIES,
)


@given(FRAMES)
def test_a_frame_survives_the_wire(frame: FrameMessage) -> None:
    assert unpack_frame(pack_frame(frame)) == frame


@given(FRAMES, st.data())
def test_a_cut_frame_is_refused(frame: FrameMessage, data: st.DataObject) -> None:
    packed = pack_frame(frame)
    with pytest.raises(ProtocolError):
        unpack_frame(packed[: data.draw(st.integers(0, len(packed) - 1))])


@given(st.lists(F32, max_size=8), U32, F64)
def test_an_input_survives_the_wire(action: list[float], sequence: int, client_ms: float) -> None:
    sent = InputMessage(np.array(action, np.float32), sequence, client_ms)
    got = unpack_input(pack_input(sent), len(action))
    assert (got.sequence, got.client_ms) == (sequence, client_ms)
    np.testing.assert_array_equal(got.action, sent.action)


@given(st.binary(max_size=64), st.integers(0, 8))
def test_noise_is_an_error_never_a_crash(data: bytes, action_size: int) -> None:
    with pytest.raises(ProtocolError):
        unpack_input(data, action_size)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    action = np.array([0, value], np.float32)
    with pytest.raises(ProtocolError, match="finite") as error:
        unpack_input(pack_input(InputMessage(action, 1, 0.0)), 2)
    assert not error.value.fatal
    with pytest.raises(ProtocolError, match="finite"):
        unpack_input(pack_input(InputMessage(action[:1], 1, value)), 1)


def test_another_version_is_fatal_and_says_what_to_do() -> None:
    packed = bytearray(pack_input(InputMessage(np.zeros(3, np.float32), 1, 0.0)))
    packed[2] = PROTOCOL_VERSION + 1
    with pytest.raises(ProtocolError, match="reload the page") as error:
        unpack_input(bytes(packed), 3)
    assert error.value.fatal
    assert error.value.code == "version"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda m: b"XX" + m[2:], "malformed"),
        (lambda m: m[:3] + b"\x09" + m[4:], "kind"),
        (lambda m: m + b"\x00", "length"),
        (lambda m: m[:-4], "length"),
        (lambda m: m[:8], "length"),
    ],
)
def test_every_other_fault_has_its_code(change, code) -> None:  # type: ignore[no-untyped-def]
    packed = pack_input(InputMessage(np.zeros(3, np.float32), 1, 0.0))
    with pytest.raises(ProtocolError) as error:
        unpack_input(change(packed), 3)
    assert error.value.code == code
    assert not error.value.fatal


def test_the_page_reads_the_same_layout() -> None:
    script = (Path(dreamcade.server.__file__).parent / "client" / "protocol.js").read_text()
    sizes = {name: int(value) for name, value in re.findall(r"const (\w+_BYTES) = (\d+);", script)}
    assert sizes == {"FRAME_HEADER_BYTES": FRAME_HEADER.size, "INPUT_HEADER_BYTES": INPUT_HEADER.size}
    assert f"PROTOCOL_VERSION = {PROTOCOL_VERSION};" in script
    fields = re.findall(r"(\w+): view\.get(?:Uint32|Float32|Float64)\((\d+), true\)", script)
    assert len(fields) == len(dict(fields)), "every field is read once"
    timing = FrameTiming(4, 5, 6, 7, 11, 12, FrameKind.IN_BETWEEN, True)
    packed = pack_frame(FrameMessage(b"", 1, 2, 3.0, timing, 8, 9, 10, Tally(13, 14, 15, 16, 17, 18)))
    expected = {
        "tick": ("I", 1),
        "sequence": ("I", 2),
        "clientMs": ("d", 3),
        "dynamicsMs": ("f", 4),
        "decodeMs": ("f", 5),
        "encodeMs": ("f", 6),
        "waitMs": ("f", 7),
        "queueMs": ("f", 11),
        "readyMs": ("f", 12),
        "fps": ("f", 8),
        "late": ("I", 9),
        "dropped": ("I", 10),
        "computed": ("I", 13),
        "extrapolated": ("I", 14),
        "inBetween": ("I", 15),
        "hits": ("I", 16),
        "missed": ("I", 17),
        "wasted": ("I", 18),
    }
    assert set(dict(fields)) == set(expected)
    for name, offset in fields:
        kind, value = expected[name]
        assert struct.unpack_from(f"<{kind}", packed, int(offset))[0] == value, name
    assert "HOW_MADE[view.getUint8(52)]" in script and packed[52] == FrameKind.IN_BETWEEN
    assert "view.getUint8(53) & FLAG_DRAFTED" in script and packed[53] == FLAG_DRAFTED == 1
    assert len(re.findall(r'"[^"]+"', re.findall(r"HOW_MADE = \[(.*)\]", script)[0])) == len(FrameKind)


def test_a_frame_that_was_made_in_an_unknown_way_is_refused() -> None:
    packed = bytearray(pack_frame(FrameMessage(b"picture", 1)))
    packed[52] = 9
    with pytest.raises(ProtocolError, match="got 9"):
        unpack_frame(bytes(packed))
