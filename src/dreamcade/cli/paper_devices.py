"""`dreamcade bench paper --devices …`: the paper's engine over several devices."""

from __future__ import annotations

from pathlib import Path

import typer

from dreamcade.cli.stage_bars import stage_bars


def paper_on_devices(
    preset: str, devices: str, plan: str | None, decoding: str | None, *, attention: str, decoder: str,
    steps: tuple[int, ...], shrink: int, weights: str, cache: int, seconds: float, threads: int | None,
    json: Path | None,
) -> None:  # fmt: skip
    """Measures it and prints the table; `devices` is KIND:COUNT."""
    from dreamcade.core.errors import BadInputError
    from dreamcade.core.files import expect_writable, write_json
    from dreamcade.engine.spreading import name_devices
    from dreamcade.evaluation.paper.plan import PaperPlan
    from dreamcade.evaluation.paper.presets import paper_preset
    from dreamcade.evaluation.paper.spread.bench import SpreadPlan, bench_spread
    from dreamcade.evaluation.paper.spread.setting import Setting
    from dreamcade.evaluation.paper.spread.table import spread_lines

    if not devices:
        raise BadInputError("--plan and --decoding say how devices share the work; give them, as in --devices cuda:8")
    if json:
        expect_writable(json)
    PaperPlan(paper_preset(preset, shrink), attention, decoder, steps, weights, cache)  # which says what is wrong
    setting = Setting(preset, shrink, attention, decoder, weights=weights, cache=cache, threads=threads or 1)
    asked = SpreadPlan(setting, name_devices(devices), steps, plan, decoding, seconds)
    with stage_bars() as progress:
        found = bench_spread(asked, progress)
    if json:
        write_json(json, found)
    for line in spread_lines(found):
        typer.echo(line)
