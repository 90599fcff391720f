"""Plans as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from dreamcade.cluster.assessment import BEHIND, SHARED
from dreamcade.cluster.devices import devices_text
from dreamcade.cluster.explanation import kinds_text, plan_name
from dreamcade.cluster.plan import Plan
from dreamcade.cluster.report import PlanReport

WIDTH = 100
"""Characters that lines are kept to; names of mixed devices may need more."""
MOST_WIDTH = 200


def plan_lines(asked: PlanReport, top: int) -> list[str]:
    """The question, the best plan and its runners-up, where others would be preferred, and what all of it rests on."""
    return [
        *textwrap.wrap(_question(asked), WIDTH), "", *_printed(_plans(asked, top), MOST_WIDTH), *_unmet(asked), "",
        *_noted(asked.notes), *[""] * bool(asked.notes), *_printed(_inputs(asked), WIDTH),
    ]  # fmt: skip


def _noted(notes: Sequence[str]) -> list[str]:
    wrapped = (textwrap.wrap(note, WIDTH, initial_indent="- ", subsequent_indent="  ") for note in notes)
    return [line for lines in wrapped for line in lines]


def _question(asked: PlanReport) -> str:
    work = asked.workload
    players = "1 player" if asked.players == 1 else f"{asked.players} players"
    rate = f", {work.tick_rate:g} ticks a second" if work.tick_rate else ""
    skip = f", {work.skip:.1%} of the frames extrapolated" if work.skip else ""
    soon = f", within {asked.latency_ms:g} ms" if asked.latency_ms else ""
    steps = f"{work.steps} step{'s' * (work.steps != 1)}"
    return (
        f"{work.name} at {work.frame_width}x{work.frame_height}, {steps}{rate}{skip}: {players}{soon} on "
        f"{devices_text(asked.devices)}. Predictions, not measurements."
    )


def _unmet(asked: PlanReport) -> list[str]:
    if asked.best.meets:
        return []
    wanted = [f"{asked.workload.tick_rate:g} ticks a second"] if asked.workload.tick_rate else []
    wanted += [f"pixels within {asked.latency_ms:g} ms"] if asked.latency_ms else []
    who = f"{asked.players} player{'s' * (asked.players != 1)}"
    return ["", f"no plan gives {who} {' and '.join(wanted)}; the first one comes closest"]


def _plans(asked: PlanReport, top: int) -> Table:
    """Columns that say something of this question, only."""
    shown = asked.plans[:top]
    rows = [_row(one, asked) for one in shown]
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    table = Table(*columns, box=None, padding=(0, 2, 0, 0))
    for number, row in enumerate(rows):
        table.add_row(*(row[name] for name in columns), style="bold" if number == 0 else None)
    return table


def _row(one: Plan, asked: PlanReport) -> dict[str, str]:
    held = (one.dit_memory,) if one.layout.shared else (one.dit_memory, one.decoder_memory)
    return {
        "plan": plan_name(one),
        "of": kinds_text(one) if len(asked.devices) > 1 else "",
        "devices": str(one.devices),
        "FPS": f"{one.fps:.1f}",
        "none\nskipped": f"{one.fps_without_extrapolation:.1f}" if asked.workload.skip else "",
        "latency\nms": _number(one.latency_ms),
        "DiT\nms": _number(one.dit_ms),
        "exchange\nof it": _number(one.exchange_ms) if one.exchange_ms else "",
        "decoder\nms": _number(one.decoder_ms),
        "GB each,\nDiT, decoder": ", ".join(_number(size / 1e9) for size in held),
        "carries\nplayers": str(one.carries) if asked.workload.tick_rate else "",
        "held back by": _held_back(one),
    }


def _held_back(one: Plan) -> str:
    """In fewer words: that one device does both is seen from the plan's name, that frames come sooner than ticks from
    the FPS."""
    words = one.bottleneck.removesuffix(SHARED)
    tick, behind, after = words.partition(BEHIND)
    return f"tick rate, {after}" if behind else tick


def _number(value: float) -> str:
    """Three digits, or all that are before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _inputs(asked: PlanReport) -> Table:
    table = Table("input", "value", "from", "", box=None, padding=(0, 2, 0, 0))
    for one in asked.inputs:
        table.add_row(one.name, one.value, one.origin, one.how)
    return table


def _printed(table: Table, width: int) -> list[str]:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines()]
