from __future__ import annotations

from dreamcade.evaluation.axis import at_least, at_most, between, number, percent


def test_lines_hold_fail_or_stay_open() -> None:
    assert at_least("", 5.0, 5.0).passed is True
    assert at_least("", 4.9, 5.0).passed is False
    assert at_most("", 5.1, 5.0).passed is False
    assert between("", 0.7, 0.7, 1.3).passed is True
    assert between("", 1.4, 0.7, 1.3).passed is False


def test_what_is_not_measured_or_rests_on_too_little_is_not_judged() -> None:
    assert at_least("", None, 5.0).passed is None
    assert at_least("", None, 5.0).value == "not measured"
    few = at_least("", 9.0, 5.0, " dB", enough=False)
    assert few.passed is None
    assert few.value == "9.00 dB (not enough to judge)"


def test_numbers_for_people() -> None:
    assert (number(None), number(3), number(1.005, 1, " s")) == ("—", "3", "1.0 s")
    assert percent(0.25) == 25.0
    assert percent(None) is None
