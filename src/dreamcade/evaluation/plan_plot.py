"""Plans as pictures: frames a second against the number of devices, and against how they are split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dreamcade.cluster.devices import devices_text
from dreamcade.cluster.explanation import kinds_text, plan_name
from dreamcade.cluster.plan import Plan
from dreamcade.cluster.report import PlanReport, curve
from dreamcade.evaluation.plots import draw_figure, png_of

COLOURS = {
    "DiT": "#f59e0b", "DiT exchange": "#8b5cf6", "DiT fixed part": "#fcd34d", "DiT launches": "#fcd34d",
    "decoder": "#ef4444", "hand-over": "#06b6d4", "tick rate": "#16a34a",
}  # fmt: skip
LINE = "#0f172a"
FEW, MOST_BARS, LABELLED = 3, 8, 24
"""Splits that are too few for a picture of them; plans that stand in; points of a curve that can have labels."""
Published = tuple[tuple[int, int], float]
"""Others' frames a second with so many devices in the dynamics and in the decoder."""
_BELOW: dict[str, Any] = {"fontsize": 7, "loc": "upper center", "bbox_to_anchor": (0.5, -0.14), "ncols": 4}


def plot_plan(asked: PlanReport, decoding: str | None = None, published: Sequence[Published] = ()) -> bytes:
    """The best plan's frames a second on more and more devices, with what holds each back; and every split of the
    devices that are there, by its stages → PNG bytes. `published`: others' figures by split, to be shown beside it."""
    with draw_figure(2, size=(12.5, 4.4)) as (figure, (growth, splits)):
        _growth(growth, asked, curve(asked, decoding))
        _splits(splits, asked, published)
        return png_of(figure)


def regime(bottleneck: str) -> str:
    """The colour's name of what holds a plan back."""
    return next((name for name in sorted(COLOURS, key=len, reverse=True) if bottleneck.startswith(name)), "DiT")


def _growth(axes: Any, asked: PlanReport, points: Sequence[tuple[int, Plan]]) -> None:
    counts, rates = [count for count, _ in points], [one.fps for _, one in points]
    axes.plot(counts, rates, color=LINE, lw=1, zorder=1)
    seen = dict.fromkeys(regime(one.bottleneck) for _, one in points)
    for name in seen:
        here = [(count, one.fps) for count, one in points if regime(one.bottleneck) == name]
        axes.scatter(*zip(*here, strict=True), color=COLOURS[name], s=42, zorder=2, label=f"held back by: {name}")
    if len(points) <= LABELLED:
        for count, one in points:
            axes.text(count, one.fps, f"{one.layout.split}\n", fontsize=7, ha="center")
    there = sum(group.count for group in asked.devices)
    axes.axvline(there, color="#94a3b8", ls=":", lw=1.2, label=f"the devices asked for: {there}")
    if asked.workload.tick_rate:
        axes.axhline(asked.workload.tick_rate, color=COLOURS["tick rate"], ls="--", lw=1, label="tick rate")
    players = "" if asked.players == 1 else f", {asked.players} players"
    axes.set(title=f"{asked.workload.name}{players}: FPS by devices", xlabel="devices", ylabel="FPS of each player")
    axes.set_ylim(0, 1.15 * max(*rates, asked.workload.tick_rate))
    axes.locator_params(axis="x", integer=True)
    axes.legend(**_BELOW)


def _splits(axes: Any, asked: PlanReport, published: Sequence[Published]) -> None:
    """Plans of one pipeline's size, by their devices in the dynamics: the best decoding of each. Where there are hardly
    any, the first plans."""
    size = asked.best.layout.pipeline_devices
    best: dict[int, Plan] = {}
    for one in asked.plans:
        alike = not one.layout.shared and one.layout.pipeline_devices == size
        if alike and one.layout.replicas == asked.best.layout.replicas:
            best.setdefault(one.layout.dit_devices, one)
    if len(best) < FEW:
        _first_plans(axes, asked)
        return
    shown = [best[count] for count in sorted(best)]
    places = [one.layout.dit_devices for one in shown]
    colours = [COLOURS[regime(one.bottleneck)] for one in shown]
    axes.bar(places, [one.fps for one in shown], 0.7, color=colours, alpha=0.75)
    _lines(axes, places, shown, asked.workload.skip > 0)
    stars = [(dit, fps) for (dit, decoder), fps in published if dit + decoder == size]
    if stars:
        axes.scatter(*zip(*stars, strict=True), marker="*", s=110, color="#2563eb", zorder=5, label="published")
    axes.set(title=f"Splits of {devices_text(asked.devices)}", xlabel="devices of the DiT + of the decoder")
    axes.set_xticks(places)
    axes.set_xticklabels([one.layout.split for one in shown])
    axes.set_ylim(0, 2 * asked.best.fps)
    axes.legend(**_BELOW)


def _lines(axes: Any, places: Sequence[int], shown: Sequence[Plan], skips: bool) -> None:
    """What each stage alone would reach, and what there would be without extrapolation."""
    axes.plot(places, [one.dit_fps for one in shown], color="#b45309", marker="o", ms=3, label="the DiT alone")
    axes.plot(places, [one.decoder_fps for one in shown], color="#b91c1c", marker="s", ms=3, label="the decoder alone")
    if skips:
        without = [one.fps_without_extrapolation for one in shown]
        axes.plot(places, without, color=LINE, ls="--", marker=".", lw=1, label="without extrapolation")


def _first_plans(axes: Any, asked: PlanReport) -> None:
    first = asked.plans[:MOST_BARS]
    axes.barh(range(len(first)), [one.fps for one in first], color=[COLOURS[regime(one.bottleneck)] for one in first])
    for row, one in enumerate(first):
        carries = f", carries {one.carries}" if asked.workload.tick_rate else ""
        axes.text(one.fps, row, f" {one.latency_ms:.3g} ms{carries}", va="center", fontsize=8)
    axes.set(
        title=f"First plans on {devices_text(asked.devices)}", xlabel="FPS of each player", yticks=range(len(first))
    )
    several = len(asked.devices) > 1
    axes.set_yticklabels([f"{plan_name(one)}\n{kinds_text(one)}" if several else plan_name(one) for one in first])
    axes.set_xlim(0, 1.5 * max(one.fps for one in first))
    axes.invert_yaxis()
