from __future__ import annotations

from random import Random

import pytest

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.simulation.crowd import DAY, Visit, Visits, diurnal, ramp, steady


def at_a_time(visits: list[Visit], moment: float) -> int:
    return sum(visit.arrives <= moment < visit.arrives + visit.stays for visit in visits)


def test_as_many_play_at_a_time_as_were_asked_for() -> None:
    visits = list(steady(400).until(6 * 3600, Random(0)))
    seen = [at_a_time(visits, 600.0 * i) for i in range(36)]
    assert sum(seen) / len(seen) == pytest.approx(400, rel=0.06)
    assert min(seen) > 300, "from the first moment on"
    assert [visit.arrives for visit in visits] == sorted(visit.arrives for visit in visits)


def test_a_day_has_its_peak_and_its_quiet_hours() -> None:
    visits = list(diurnal(600).until(DAY, Random(1)))
    assert at_a_time(visits, 21 * 3600) == pytest.approx(600, rel=0.15)
    assert at_a_time(visits, 9 * 3600) == pytest.approx(0.15 * 600, rel=0.5)


def test_a_ramp_begins_with_nobody() -> None:
    visits = list(ramp(300, 3600).until(2 * 3600, Random(2)))
    assert at_a_time(visits, 0.0) == 0
    assert at_a_time(visits, 1800) < at_a_time(visits, 7000)


def test_the_same_seed_brings_the_same_players() -> None:
    assert list(steady(20).until(3600, Random(3))) == list(steady(20).until(3600, Random(3)))
    with pytest.raises(BadInputError, match="visits need players"):
        Visits(lambda now: 1.0, 1.0, minutes=0.0)
