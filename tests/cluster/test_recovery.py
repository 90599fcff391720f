from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamcade.cluster.layout import Decoding, Layout
from dreamcade.cluster.recovery import Roles, assign, remain

NAMES = ["a", "b", "c", "d", "e"]


def begun(layout: Layout) -> Roles:
    return assign(layout, Roles(), NAMES[: layout.pipeline_devices - 1])


@pytest.mark.parametrize(
    ("layout", "there", "left", "dynamics", "decoders"),
    [
        (Layout(1, 3), "ac", Layout(1, 2), "", "ac"),
        (Layout(1, 3), "b", Layout(1, 1), "", "b"),
        (Layout(1, 3), "", Layout(shared=True), "", ""),
        (Layout(3, 1), "ac", Layout(2, 1), "c", "a"),
        (Layout(3, 1), "a", Layout(1, 1), "", "a"),
        (Layout(3, 1), "bc", Layout(2, 1), "b", "c"),
        (Layout(1, 3, "spatial"), "abc", Layout(1, 3, "spatial"), "", "abc"),
        (Layout(1, 3, "spatial"), "b", Layout(1, 1, "spatial"), "", "b"),
    ],
)
def test_what_is_left(layout: Layout, there: str, left: Layout, dynamics: str, decoders: str) -> None:
    roles = begun(layout)
    got = remain(layout, roles, list(there))
    assert got == left
    after = assign(got, roles, list(there))
    assert (set(after.dynamics), set(after.decoders)) == (set(dynamics), set(decoders))


def test_a_replacement_takes_the_free_place() -> None:
    layout = Layout(2, 2)
    roles = begun(layout)
    lost = roles.decoders[0]
    there = [name for name in NAMES[:3] if name != lost]
    roles = assign(remain(layout, roles, there), roles, there)
    there.append("new")
    got = remain(layout, roles, there)
    assert got == layout
    assert "new" in assign(got, roles, there).decoders


@given(st.integers(1, 4), st.integers(1, 4), st.sampled_from(list(Decoding)), st.data())
def test_however_they_come_and_go(dit: int, decoders: int, decoding: Decoding, data: st.DataObject) -> None:
    """The layout fits those who are there, wastes none that was wanted, and nobody who keeps a part changes it."""
    layout = Layout(dit, decoders, decoding.value)
    everybody = [str(number) for number in range(layout.pipeline_devices - 1)]
    roles = assign(layout, Roles(), everybody)
    for _ in range(5):
        there = [name for name in everybody if data.draw(st.booleans())]
        left = remain(layout, roles, there)
        after = assign(left, roles, there)
        assert set(after.names) <= set(there) and len(set(after.names)) == len(after.names)
        assert len(after.dynamics) <= dit - 1 and len(after.decoders) <= decoders
        if there:
            assert after.decoders, "somebody draws beside the head"
            assert len(after.dynamics) == left.dit_devices - 1 and len(after.decoders) == left.decoder_devices
        else:
            assert left.shared and not after.names
        moved = [name for name in after.dynamics if name in roles.decoders]
        assert not moved, "a decoder never has to make passes: it would leave a gap"
        if set(there) == set(everybody):
            assert left == layout
        roles = after
