from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dreamcade.cluster.pulse import (
    FIRST_PATIENCE,
    LEAST_PATIENCE,
    LOOK,
    MOST_WAIT,
    SILENT_LOOKS,
    Patience,
    Pulse,
    Replacing,
)


def test_who_is_silent_for_long_is_lost() -> None:
    pulse = Pulse()
    for _ in range(50):
        pulse.beat()
        assert not any(pulse.look() for _ in range(SILENT_LOOKS))
    assert pulse.look()
    assert LOOK * (SILENT_LOOKS + 1) < 1.0, "within a second"


def test_a_look_that_comes_late_blames_nobody() -> None:
    """Looks are counted, not seconds: nothing is lost because the one who looks was held up."""
    pulse = Pulse()
    pulse.look()
    assert not any(pulse.look() for _ in range(SILENT_LOOKS - 2))


@given(st.lists(st.floats(1e-4, 2.0), min_size=1))
def test_patience_is_learnt_and_never_less_than_a_second(seconds: list[float]) -> None:
    patience = Patience()
    assert patience.limit(1) == FIRST_PATIENCE
    for one in seconds:
        patience.took(1, one)
        assert patience.limit(1) >= max(LEAST_PATIENCE, 5 * one)
    assert patience.limit(2) == FIRST_PATIENCE, "another size was never seen"


def test_replacements_come_at_once_and_then_ever_later() -> None:
    replacing = Replacing()
    waits = [replacing.lost(100.0 + i) - (100.0 + i) for i in range(9)]
    assert waits == [0, 1, 2, 4, 8, 16, 32, MOST_WAIT, MOST_WAIT]
    assert replacing.lost(100.0 + 8 + MOST_WAIT) == 108 + MOST_WAIT, "after a quiet time at once again"
