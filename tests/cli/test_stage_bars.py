"""Progress bars of long measurements."""

from __future__ import annotations

import pytest

from dreamcade.cli.stage_bars import stage_bars
from dreamcade.core.errors import BadInputError


def test_stages_that_are_over_are_full(capsys: pytest.CaptureFixture[str]) -> None:
    with stage_bars() as progress:
        progress("reading", 40, 47)
        progress("playing", 3, 3)
    told = capsys.readouterr()
    assert "47/47" in told.err and "3/3" in told.err
    assert told.out == ""


def test_a_stage_that_broke_off_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    def measure() -> None:
        with stage_bars() as progress:
            progress("reading", 40, 47)
            raise BadInputError("no more")

    with pytest.raises(BadInputError):
        measure()
    assert "40/47" in capsys.readouterr().err


def test_what_fails_before_the_first_stage_leaves_its_one_line_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadInputError), stage_bars():
        raise BadInputError("seconds must be positive")
    assert capsys.readouterr() == ("", "")
