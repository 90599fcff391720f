from __future__ import annotations

import pytest

from dreamcade.cluster.layout import Layout
from dreamcade.core.errors import BadInputError


def test_devices_are_counted() -> None:
    layout = Layout(5, 3, replicas=2)
    assert (layout.split, layout.pipeline_devices, layout.devices) == ("5+3", 8, 16)
    assert (Layout(shared=True).split, Layout(shared=True).devices) == ("1", 1)


def test_it_survives_json() -> None:
    layout = Layout(2, 3, decoding="spatial", replicas=4)
    assert Layout.from_json(layout.to_json()) == layout


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dit_devices": 0}, "dit_devices must be at least 1; got 0"),
        ({"decoding": "both"}, "round-robin or spatial"),
        ({"dit_devices": 2, "shared": True}, "only one device can be shared"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        Layout(**wrong)  # type: ignore[arg-type]
