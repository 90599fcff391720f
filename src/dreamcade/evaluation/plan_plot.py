"""Plans as pictures: frames a second against the number of devices, and against how they are split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamcade.cluster.devices import devices_text
from dreamcade.cluster.plan import Plan
from dreamcade.cluster.report import PlanReport, curve
from dreamcade.evaluation.plots import draw_figure, png_of

COLOURS = {
    "DiT": "#f59e0b", "DiT exchange": "#8b5cf6", "DiT fixed part": "#fcd34d", "DiT launches": "#fcd34d",
    "decoder": "#ef4444", "hand-over": "#06b6d4", "tick rate": "#16a34a",
}  # fmt: skip
LINE = "#0f172a"


def plot_plan(
    asked: PlanReport, decoding: str | None = None, published: Mapping[tuple[int, int], float] | None = None
) -> bytes:
    """The best plan's frames a second on more and more devices, with what holds each back; and every split of the
    devices that are there, by its stages → PNG bytes. `published`: others' figures by split, to be shown beside it."""
    with draw_figure(2, size=(12.5, 4.4)) as (figure, (growth, splits)):
        _growth(growth, asked, curve(asked, decoding))
        _splits(splits, asked, published or {})
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
    if len(points) <= 24:
        for count, one in points:
            axes.text(count, one.fps, f"{_split(one)}\n", fontsize=7, ha="center")
    there = sum(group.count for group in asked.devices)
    axes.axvline(there, color="#94a3b8", ls=":", lw=1.2, label=f"the devices asked for: {there}")
    if asked.workload.tick_rate:
        axes.axhline(asked.workload.tick_rate, color=COLOURS["tick rate"], ls="--", lw=1, label="tick rate")
    players = "" if asked.players == 1 else f", {asked.players} players"
    axes.set(title=f"{asked.workload.name}{players}: FPS by devices", xlabel="devices", ylabel="FPS of each player")
    axes.set_ylim(0, 1.15 * max(*rates, asked.workload.tick_rate))
    axes.legend(fontsize=7, loc="best")


def _split(one: Plan) -> str:
    copies = f"{one.layout.replicas}×" if one.layout.replicas > 1 else ""
    return copies + one.layout.split


def _splits(axes: Any, asked: PlanReport, published: Mapping[tuple[int, int], float]) -> None:
    """Plans of one pipeline's size, by their devices in the dynamics: the best decoding of each."""
    size = asked.best.layout.pipeline_devices
    best: dict[int, Plan] = {}
    for one in asked.plans:
        alike = not one.layout.shared and one.layout.pipeline_devices == size
        if alike and one.layout.replicas == asked.best.layout.replicas:
            best.setdefault(one.layout.dit_devices, one)
    shown = [best[count] for count in sorted(best)]
    if not shown:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "one device does both", ha="center", va="center", transform=axes.transAxes)
        return
    places = [one.layout.dit_devices for one in shown]
    axes.bar(
        places, [one.fps for one in shown], 0.7, color=[COLOURS[regime(one.bottleneck)] for one in shown], alpha=0.75
    )
    axes.plot(places, [one.dit_fps for one in shown], color="#b45309", marker="o", ms=3, label="the DiT alone")
    axes.plot(places, [one.decoder_fps for one in shown], color="#b91c1c", marker="s", ms=3, label="the decoder alone")
    if asked.workload.skip:
        without = [one.fps_without_extrapolation for one in shown]
        axes.plot(places, without, color=LINE, ls="--", marker=".", lw=1, label="without extrapolation")
    _published(axes, {key: fps for key, fps in published.items() if sum(key) == size})
    axes.set(title=f"How {devices_text(asked.devices)} are split", xlabel="devices of the DiT + of the decoder")
    axes.set_xticks(places)
    axes.set_xticklabels([one.layout.split for one in shown])
    axes.set_ylim(0, 2 * asked.best.fps)
    axes.legend(fontsize=7, loc="upper left", ncols=2)


def _published(axes: Any, published: Mapping[tuple[int, int], float]) -> None:
    if published:
        places = [dit for dit, _ in published]
        axes.scatter(places, list(published.values()), marker="*", s=110, color="#2563eb", zorder=5, label="published")
