"""The ladder's figures as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

HEADINGS = (
    "", "FPS", "unpaced", "key to paint ms, p50 / p95", "input to picture ms", "effective ms", "delivered",
    "extrapolated", "computed", "skipped", "hits", "dB to game", "dB to full", "LPIPS to full",
)  # fmt: skip


def ladder_table(figures: Mapping[str, Any]) -> list[str]:
    """A line for every rung, under headings."""
    table = Table(*HEADINGS, box=None)
    for name, rung in figures["rungs"].items():
        table.add_row(name, *_cells(rung))
    console = Console(width=200, highlight=False)
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]


def _cells(rung: Mapping[str, Any]) -> list[str]:
    browser, shares, picture = rung.get("browser"), rung["shares"], rung["picture"]
    exact = picture["extrapolated"] == 0
    return [
        f"{rung['fps']:.1f}",
        f"{rung['fps_unpaced']:.1f}",
        f"{browser['m2p_ms_p50']:.0f} / {browser['m2p_ms_p95']:.0f}" if browser else "–",
        f"{rung['input_ms_p50']:.0f} / {rung['input_ms_p95']:.0f}",
        f"{rung['effective_ms']:.1f}",
        *(f"{shares[what]:.0%}" for what in ("delivered", "extrapolated", "computed")),
        f"{rung['passes_skipped']:.0%}",
        "–" if rung["hit_rate"] is None else f"{rung['hit_rate']:.0%}",
        f"{picture['psnr_real']:.2f}",
        "same" if exact else f"{picture['psnr_full']:.1f}",
        "same" if exact or picture["distance_full"] is None else f"{picture['distance_full']:.3f}",
    ]


def describe(figures: Mapping[str, Any]) -> list[str]:
    """What the columns mean, and where it was measured."""
    rungs = figures["rungs"]
    still = next(iter(rungs.values()))["picture"]["psnr_persistence"]
    width, height = figures["frame_size"]
    lines = [
        "Key to paint is what a hand and an eye feel. Effective is amortized: the mean time from a tick's taking its "
        "input to its picture; a drafted frame was made before that.",
        "Delivered, extrapolated and computed are all frames; of the delivered drafts some were extrapolated. Skipped: "
        "ticks without a pass, drafted or not.",
        f"dB to game: PSNR against the real game, mean of {figures['windows']} stretches of {figures['ticks']} ticks; "
        f"the last real frame held still scores {still:.2f}.",
    ]
    hits = [(name, rung["hit_ready_ms_p50"], rung["hit_ready_ms_p95"]) for name, rung in rungs.items()]
    lines += [f"{n}: on a hit the picture is there after {a:.2f} ms (p95 {b:.2f})" for n, a, b in hits if a is not None]
    return [*lines, f"{width}x{height} at {figures['tick_rate']:g} Hz; {figures['machine']}, {figures['device']}"]
