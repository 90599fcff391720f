"""Plans as text."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from dreamcade.cluster.devices import devices_text
from dreamcade.cluster.explanation import kinds_text
from dreamcade.cluster.plan import Plan
from dreamcade.cluster.report import PlanReport

_COLUMNS = (
    "split", "decoding", "pipelines", "devices", "FPS", "without\nextrapolation", "latency\nms", "DiT\nms",
    "exchange\nms", "decoder\nms", "GB a device\nDiT, decoder", "carries\nplayers", "held back by",
)  # fmt: skip


def plan_lines(asked: PlanReport, top: int) -> list[str]:
    """The question, the best plan and its runners-up, where others would be preferred, and what all of it rests on."""
    return [
        _question(asked), "", *_printed(_plans(asked, top)), *_unmet(asked), "",
        *(f"- {note}" for note in asked.notes), *[""] * bool(asked.notes), *_printed(_inputs(asked)),
    ]  # fmt: skip


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
    wanted += [f"{asked.latency_ms:g} ms"] if asked.latency_ms else []
    return ["", f"no plan gives {asked.players} player{'s' * (asked.players != 1)} {' within '.join(wanted)}"]


def _plans(asked: PlanReport, top: int) -> Table:
    several = len(asked.devices) > 1
    table = Table(*_COLUMNS, box=None)
    for number, one in enumerate(asked.plans[:top]):
        table.add_row(*_row(one, asked, several), style="bold" if number == 0 else None)
    return table


def _row(one: Plan, asked: PlanReport, several: bool) -> tuple[str, ...]:
    layout = one.layout
    split = layout.split + (f" ({kinds_text(one)})" if several else "")
    held = (one.dit_memory,) if layout.shared else (one.dit_memory, one.decoder_memory)
    without = f"{one.fps_without_extrapolation:.1f}" if asked.workload.skip else ""
    return (
        split, "" if layout.decoder_devices == 1 else layout.decoding, str(layout.replicas), str(one.devices),
        f"{one.fps:.1f}", without, f"{one.latency_ms:.3g}", f"{one.dit_ms:.3g}",
        f"{one.exchange_ms:.2g}" if one.exchange_ms else "", f"{one.decoder_ms:.3g}",
        ", ".join(f"{size / 1e9:.3g}" for size in held),
        str(one.carries) if asked.workload.tick_rate else "", one.bottleneck,
    )  # fmt: skip


def _inputs(asked: PlanReport) -> Table:
    table = Table("input", "value", "from", "", box=None)
    for one in asked.inputs:
        table.add_row(one.name, one.value, one.origin, one.how)
    return table


def _printed(table: Table) -> list[str]:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines()]
