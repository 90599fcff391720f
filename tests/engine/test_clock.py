"""Whatever the delays: no drift, no pile-up, nothing skipped without need."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamcade.core.errors import BadInputError
from dreamcade.engine.clock import FixedRateClock, RateMeter

rates = st.floats(0.5, 1000)
origins = st.floats(-1e6, 1e6)
# Delays after each tick, in periods: mostly in time, sometimes a stall.
delays = st.lists(st.one_of(st.floats(0, 0.9), st.floats(0, 3), st.floats(0, 500)), min_size=1, max_size=60)


@given(rates, origins, delays)
def test_ticks_follow_the_deadlines_whatever_happens(rate: float, origin: float, delays: list[float]) -> None:
    clock = FixedRateClock(rate)
    clock.start(origin)
    number, now = -1, origin
    for delay in delays:
        now = max(now, clock.deadline)
        before = clock.deadline
        skipped = clock.take(now)
        number += skipped + 1
        taken = origin + number / rate
        assert taken <= now, "a tick was taken before it was due"
        assert clock.deadline > now, "two ticks would be taken at once"
        assert clock.deadline == origin + (number + 1) / rate, "deadlines drift"
        assert skipped == 0 or before < taken, "a tick was skipped that was not late"
        now += delay / rate


@given(rates, st.floats(1, 1e4))
def test_after_a_stall_there_is_one_tick(rate: float, periods: float) -> None:
    clock = FixedRateClock(rate)
    clock.start(0.0)
    clock.take(0.0)
    now = periods / rate
    clock.take(max(now, clock.deadline))
    assert clock.seconds_until_due(now) > 0


def test_small_delays_are_caught_up() -> None:
    clock = FixedRateClock(25)
    clock.start(100.0)
    assert clock.take(100.0) == 0
    assert clock.take(100.07) == 0  # 30 ms late, not a whole period
    assert clock.seconds_until_due(100.07) == pytest.approx(0.01)


def test_no_drift_in_a_day() -> None:
    clock = FixedRateClock(30)
    clock.start(0.0)
    for _ in range(100_000):
        clock.take(clock.deadline)
    assert clock.deadline == 100_000 / 30


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_bad_rates(rate: float) -> None:
    with pytest.raises(BadInputError, match="positive number of ticks"):
        FixedRateClock(rate)


def test_the_meter() -> None:
    meter = RateMeter(span=10)
    rates = [meter.mark(i / 25) for i in range(30)]
    assert rates[0] == 0.0
    assert rates[1:] == pytest.approx([25.0] * 29)
