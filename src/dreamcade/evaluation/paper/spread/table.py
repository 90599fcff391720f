"""The paper's engine on several devices, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

_COLUMNS = ("steps", "layout", "FPS", "predicted", "ratio", "DiT ms", "predicted", "draw ms", "predicted",
            "wait ms", "latency ms", "p95", "predicted", "of slowest stage")  # fmt: skip


def spread_lines(found: Mapping[str, Any]) -> list[str]:
    """Every run, what the predictions rest on, and the machine."""
    width, height = found["frame_size"]
    small = f", shrunk {found['shrink']} times: its FPS say nothing of the full size" if found["shrink"] > 1 else ""
    lines = [
        f"{found['preset']} at {width}x{height} on {_devices(found['devices'])}: {found['attention']} attention, "
        f"{found['decoder']} decoder, weights in {found['weights']} (random), {found['dtype']}{small}",
        "", *_printed(_table(found["runs"])), "",
        "Latency: from an action to its pixels; what is neither passes nor drawing was on its way, or waited.",
    ]  # fmt: skip
    for steps, run in found["runs"].items():
        rests = "; ".join(f"{one['name']} {one['value']}" for one in run["calibration"]["inputs"])
        lines.append(f"The prediction with {_steps(steps)} rests on: {rests}.")
        if run["shared_cores_fps"] is not None:
            lines.append(
                f"{run['layout']['dit_devices'] + run['layout']['decoder_devices']} processes share {found['cores']} "
                f"cores, and the prediction gives each its own; always busy, the cores reach "
                f"{run['shared_cores_fps']:.3g} FPS."
            )
        if run["skipped"]:
            lines.append(f"{run['skipped']} frames were lost with their decoder.")
    return [*lines, found["machine"]]


def _devices(names: list[str]) -> str:
    return f"{len(names)} of {names[0].partition(':')[0]}" if len(names) > 1 else names[0]


def _table(runs: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="")
    for index, column in enumerate(_COLUMNS):
        table.add_column(column, justify="left" if index < 2 else "right", no_wrap=True)
    for steps, run in runs.items():
        planned = run["predicted"]
        how = "" if run["layout"]["decoder_devices"] == 1 else f" {run['layout']['decoding']}"
        table.add_row(
            steps, run["split"] + how, f"{run['fps']:.4g}", f"{planned['fps']:.4g}", f"{run['ratio']:.2f}",
            f"{run['dit_ms']:.2f}", f"{planned['dit_ms']:.2f}", f"{run['draw_ms']:.2f}", f"{planned['decoder_ms']:.2f}",
            f"{run['wait_ms']:.2f}", f"{run['latency_ms']:.1f}", f"{run['latency_p95_ms']:.1f}",
            f"{planned['latency_ms']:.1f}", f"{run['of_bound']:.0%}",
        )  # fmt: skip
    return table


def _steps(count: str) -> str:
    return "1 step" if count == "1" else f"{count} steps"


def _printed(table: Table) -> list[str]:
    console = Console(width=160, highlight=False)
    with console.capture() as caught:
        console.print(table)
    return [line.rstrip() for line in caught.get().splitlines()]
