"""`dreamcade bench paper` on one device."""

from __future__ import annotations

from pathlib import Path

import torch
import typer

from dreamcade.cli.stage_bars import stage_bars
from dreamcade.core.device import cpu_threads, expect_compiler, resolve_device
from dreamcade.core.files import expect_writable, write_json, write_whole
from dreamcade.evaluation.paper.bench import bench_paper
from dreamcade.evaluation.paper.plan import PaperPlan
from dreamcade.evaluation.paper.presets import paper_preset
from dreamcade.evaluation.paper.table import paper_lines


def paper_on_device(
    preset: str, device: str, *, attention: str, decoder: str, steps: tuple[int, ...], shrink: int, weights: str,
    cache: int, seconds: float, unfused: bool, compiled: bool | None, json: Path | None, plot: Path | None,
    threads: int | None,
) -> None:  # fmt: skip
    """Measures it and prints the table; the options are those of the command."""
    for file in filter(None, (json, plot)):
        expect_writable(file)
    if plot:  # before the measurement: it needs an extra
        from dreamcade.evaluation.paper.plot import plot_paper
    where = resolve_device(device)
    if compiled and where.type == "cpu":
        expect_compiler()
    if where.type == "cuda":
        torch.cuda.set_device(where)  # streams, graphs and Triton's launches take the current one
    torch.set_num_threads(threads or cpu_threads())
    measured = PaperPlan(
        paper_preset(preset, shrink), attention, decoder, steps, weights, cache, seconds, unfused,
        where.type == "cuda" if compiled is None else compiled,
    )  # fmt: skip
    with stage_bars() as progress:
        figures = bench_paper(measured, where, progress)
    if json:
        write_json(json, figures)
    if plot:
        write_whole(plot, plot_paper(figures))
    for line in paper_lines(figures):
        typer.echo(line)
