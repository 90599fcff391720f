from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dreamcade.cli.plan import plan
from dreamcade.cli.simulate import parse_prices
from dreamcade.core.errors import BadInputError, UnknownNameError


def test_prices_are_by_kind_and_each_is_checked() -> None:
    assert parse_prices(["h200=3.5", "rtx-4090 = 0.4"], ["h200", "rtx-4090"]) == {"h200": 3.5, "rtx-4090": 0.4}
    for bad in ("h200", "=3", "h200=cheap", "h200=-1", "h200=inf", "h200=nan"):
        with pytest.raises(BadInputError, match="KIND=EUR for an hour"):
            parse_prices([bad], ["h200"])
    with pytest.raises(UnknownNameError, match="did you mean 'h200'"):
        parse_prices(["h20=3"], ["h200"])


@pytest.mark.slow
def test_a_plan_is_simulated_and_its_answer_is_written(tmp_path: Path) -> None:
    import typer

    app = typer.Typer()
    app.command()(plan)
    file, picture = tmp_path / "plan.json", tmp_path / "simulated.png"
    words = ["--preset", "paper-racing", "--devices", "ascend-910c:8", "--players", "1", "--simulate", "--seconds", "2"]
    result = CliRunner().invoke(
        app, [*words, "--price", "ascend-910c=2", "--json", str(file), "--simulation-plot", str(picture)]
    )
    assert result.exit_code == 0, result.output
    assert "1 player of paper-racing" in result.output
    found = json.loads(file.read_text())
    assert found["plans"][0]["dit_devices"] >= 1, "what --plan reads is still there"
    best = found["simulation"]["sizes"][0]
    assert best["replicas"] >= 1
    assert best["price_an_hour"] == pytest.approx(2.0 * best["devices"])
    assert picture.read_bytes().startswith(b"\x89PNG")
