from __future__ import annotations

import pytest

from dreamcade.evaluation.rules.faults import faultless, faultless_line, faultless_words


def test_verdict_and_line_tell_one_figure() -> None:
    figures = {"inside_wall": 0.0338, "inside_wall_real": 0.0065}
    line = faultless_line("Frames outside of walls", figures, "inside_wall", 98.0, True)
    assert faultless(figures, "inside_wall") == pytest.approx(0.9727)
    assert faultless_words(figures, "inside_wall") == "97.27 % (game 100 %: the 0.65 % misread of it are left out)"
    assert (line.value, line.passed) == ("97.27 %", False)
    assert faultless_line("", {"inside_wall": 0.02, "inside_wall_real": 0.01}, "inside_wall", 98.0, True).passed is True


def test_a_line_finer_than_its_probe_is_not_judged() -> None:
    line = faultless_line("", {"inside_wall": 0.333, "inside_wall_real": 0.057}, "inside_wall", 99.0, True)
    assert line.passed is None
    assert line.value == "72.40 % (5.7 % of the game is misread: too much to judge)"


def test_without_the_game_nothing_is_judged_or_taken_off() -> None:
    figures = {"inside_wall": 0.2, "inside_wall_real": None}
    line = faultless_line("", figures, "inside_wall", 99.0, True)
    assert line.passed is None
    assert "nobody knows what is misread" in line.value
    assert faultless_words(figures, "inside_wall") == "80.00 % (game not measured)"


def test_what_was_not_counted_is_not_measured() -> None:
    assert faultless_words({}, "inside_wall") == "— % (game not measured)"
    assert faultless_line("", {}, "inside_wall", 99.0, True).value == "not measured"
