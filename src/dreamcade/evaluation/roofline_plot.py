"""A roofline as a picture: what every operation reaches under the machine's ceilings, and where the time goes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dreamcade.evaluation.ceilings import Ceilings, dtype_name
from dreamcade.evaluation.plots import draw_figure, png_of
from dreamcade.evaluation.roofline import Operations, Roofline, Stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

COLOURS = ("#2563eb", "#ea580c", "#16a34a", "#9333ea", "#db2777", "#0891b2")
"""Of the stages, in order."""
LABELLED = 6
"""Operations at most that are named, of each stage: those that take longest."""
WORTH = 0.015
"""Share of its stage's time below which an operation is not named."""
LARGEST = 900.0
"""Area in points² of an operation that took as long as the longest stage."""
_GREY, _INK = "#64748b", "#0f172a"
_PARTS = {"compute-bound": 1.0, "memory-bound": 0.62, "overhead": 0.22}
"""How strongly a stage's colour is laid on."""
_GAP = 0.052
"""Between two names, of the panel's height."""
_DEEP = 3e-4
"""Of the peak: what is slower is drawn at the lower edge, for it would squeeze all the rest into a corner."""


def plot_roofline(roofline: Roofline) -> bytes:
    """PNG: operations over FLOP/byte under the ceilings (logarithmic both ways, area by time), and time by kind."""
    with draw_figure(3, size=(15.0, 6.4), ratios=(2.4, 0.78, 1)) as (figure, (axes, names, bars)):
        points = [(stage, one) for stage in roofline.stages for one in stage.operations if _can_be_told(stage, one)]
        colours = dict(zip((stage.name for stage in roofline.stages), itertools.cycle(COLOURS), strict=False))
        _frame(axes, points, roofline.ceilings)
        slopes = _lines(axes, roofline.ceilings)
        _points(axes, points, roofline, colours)
        _name(axes, names, points, roofline, colours)
        _times(bars, roofline, colours)
        figure.suptitle(_title(roofline), x=0.01, ha="left", fontsize=9, color=_GREY)
        figure.draw_without_rendering()
        _lean(axes, slopes)
        return png_of(figure)


def _points(
    axes: Axes, points: Sequence[tuple[Stage, Operations]], roofline: Roofline, colours: dict[str, str]
) -> None:
    longest, bottom = max(stage.seconds for stage in roofline.stages), 1.25 * axes.get_ylim()[0]
    for stage, one in points:
        axes.scatter(
            one.intensity, max(one.flops / one.seconds, bottom), s=max(14.0, LARGEST * one.seconds / longest),
            color=colours[stage.name], alpha=0.6, edgecolor="white", lw=0.8, zorder=3,
        )  # fmt: skip
    for stage in roofline.stages:
        axes.plot(
            stage.intensity, max(stage.flops / stage.seconds, bottom), "D", ms=10, color=colours[stage.name], mec=_INK,
            mew=1.4, zorder=5, label=f"{stage.name} as a whole",
        )  # fmt: skip
    for stage in roofline.stages:
        _as_played(axes, stage, colours[stage.name])
    axes.legend(loc="upper left", fontsize=9)


def _as_played(axes: Axes, stage: Stage, colour: str) -> None:
    """The same work, quicker; and, since what is fused never leaves the chip, more of it to a byte."""
    if not stage.played_seconds:
        return
    before = stage.intensity, stage.flops / stage.seconds
    after = stage.fused_intensity, stage.flops / stage.played_seconds
    arrow = {"arrowstyle": "->", "color": _INK, "lw": 1.2, "shrinkA": 6, "shrinkB": 6}
    axes.annotate("", after, before, arrowprops=arrow, zorder=5)
    axes.plot(*after, "D", ms=10, mfc="white", mec=colour, mew=2.2, zorder=6, label=f"{stage.name} as played, fused")


def _can_be_told(stage: Stage, one: Operations) -> bool:
    """Whether an operation has a speed: it computes, and takes long enough beside what any call costs."""
    return one.flops > 0 and one.seconds > 0.25 * stage.call_seconds * one.calls


def _title(roofline: Roofline) -> str:
    fits = all(stage.cached for stage in roofline.stages)
    note = "all that is touched fits the last cache" if fits else "bytes are of tensors: an upper bound of traffic"
    return f"{roofline.name}: {roofline.machine}; {roofline.device}, threads: {roofline.threads}; {note}"


def _frame(axes: Axes, points: Sequence[tuple[Stage, Operations]], ceilings: Ceilings) -> None:
    peak, main = max(ceilings.compute.values()), next(iter(ceilings.compute))
    across = [one.intensity for _, one in points] + [ceilings.ridge(main, False)]
    speeds = [max(one.flops / one.seconds, _DEEP * peak) for _, one in points]
    low, high = 0.5 * max(min(across), 1e-2), 3.0 * max(across)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(0.5 * min(speeds), 3.0 * peak))
    axes.set(xlabel="FLOP per byte of tensors (what only moves data has no place here)", ylabel="FLOP per second")
    axes.set_title("What operations reach, and what they could")
    axes.grid(True, which="major", alpha=0.25)


def _lines(axes: Axes, ceilings: Ceilings) -> list[Text]:
    """The two slopes and a level for every number format; returns what is written along the slopes."""
    low, high = axes.get_xlim()
    x, peak, slopes = np.geomspace(low, high, 400), max(ceilings.compute.values()), []
    for bandwidth, name, style in ((ceilings.memory, "memory", "-"), (ceilings.cache, "cache", "--")):
        axes.plot(x, np.minimum(peak, bandwidth * x), style, color=_INK, lw=1.6, zorder=2)
        at = max(1.2 * low, 3 * axes.get_ylim()[0] / bandwidth)
        label = f"{name} {_engineering(bandwidth)}B/s"
        slopes.append(axes.text(at, 1.1 * bandwidth * at, label, fontsize=9, color=_INK, va="bottom", zorder=4))
    for dtype, flops in ceilings.compute.items():
        colour = _INK if flops == peak else _GREY
        width = 1.6 if flops == peak else 1.0
        axes.plot([flops / ceilings.cache, high], [flops, flops], color=colour, lw=width, zorder=2)
        label = f"{dtype_name(dtype)} {_engineering(flops)}FLOP/s"
        axes.text(1.1 * flops / ceilings.memory, 1.05 * flops, label, va="bottom", fontsize=9, color=colour, zorder=4)
    _zones(axes, sorted((peak / ceilings.cache, peak / ceilings.memory)))
    return slopes


def _zones(axes: Axes, ridges: Sequence[float]) -> None:
    """Where operations wait for what, below the cache's ridge, up to the memory's, and beyond."""
    low, high = axes.get_xlim()
    edges = [low, *(min(max(ridge, low), high) for ridge in ridges), high]
    for first, last, name, colour in zip(
        edges, edges[1:], ("memory-bound", "unless cached", f"compute-bound, from {ridges[-1]:.3g}"),
        ("#e2e8f0", "#f4f7fa", "white"), strict=False,
    ):  # fmt: skip
        axes.axvspan(first, last, color=colour, lw=0, zorder=0)
        if last > 2 * first:
            axes.text(
                (first * last) ** 0.5, axes.get_ylim()[0] * 1.5, name, ha="center", va="bottom", fontsize=9, color=_GREY
            )


def _lean(axes: Axes, slopes: Sequence[Text]) -> None:
    """Turns words along a slope of 1, as steep as that is once the panels have their sizes."""
    low, high = axes.transData.transform([(1.0, 1.0), (10.0, 10.0)])
    for text in slopes:
        text.set(rotation=math.degrees(math.atan2(high[1] - low[1], high[0] - low[0])), rotation_mode="anchor")


def _engineering(value: float) -> str:
    """`218 G` for 2.18e11."""
    for size, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
        if value >= size:
            return f"{value / size:.3g} {prefix}"
    return f"{value:.3g} "


def _times(axes: Axes, roofline: Roofline, colours: dict[str, str]) -> None:
    """Milliseconds of every stage by what they were spent on, over the least that the ceilings allow."""
    for row, stage in enumerate(roofline.stages):
        left = 0.0
        for part, strength in _PARTS.items():
            width = 1e3 * _spent(stage, part, roofline.ceilings)
            axes.barh(row, width, left=left, height=0.5, color=colours[stage.name], alpha=strength, lw=0)
            left += width
        axes.plot([1e3 * stage.least_seconds] * 2, [row - 0.3, row + 0.3], color=_INK, lw=2)
        shares = [f"{100 * _spent(stage, part, roofline.ceilings) / stage.seconds:.0f} % {part}" for part in _PARTS]
        axes.text(0, row + 0.32, "\n".join(shares), va="top", fontsize=8, color=_GREY)
        axes.text(left, row, f" {1e3 * stage.seconds:.3g}", va="center", fontsize=9)
        if stage.played_seconds:
            axes.plot(1e3 * stage.played_seconds, row, "D", ms=8, mfc="white", mec=_INK, mew=1.4, zorder=3)
    axes.set(title="ms (line: at the ceilings, ◇: as played)", yticks=range(len(roofline.stages)))
    axes.set_yticklabels([stage.name for stage in roofline.stages])
    axes.set_ylim(len(roofline.stages) - 0.1, -0.5)
    axes.set_xlim(0, 1e3 * max(stage.seconds for stage in roofline.stages) * 1.18)
    axes.grid(False, axis="y")


def _spent(stage: Stage, part: str, ceilings: Ceilings) -> float:
    if part == "overhead":
        return max(0.0, stage.overhead_seconds)
    return stage.bound_seconds(ceilings, part.removesuffix("-bound"))


def _name(
    axes: Axes, names: Axes, points: Sequence[tuple[Stage, Operations]], roofline: Roofline, colours: dict[str, str]
) -> None:
    """Names the operations that take longest in a column beside the plot, as high as they stand, a line to each."""
    names.axis("off")
    shown = sorted(
        ((stage, one) for stage in roofline.stages for _, one in _longest(stage, points)),
        key=lambda pair: pair[1].flops / pair[1].seconds,
    )
    bottom = 1.25 * axes.get_ylim()[0]
    heights = [_height(axes, one.flops / one.seconds) for _, one in shown]
    for (stage, one), height in zip(shown, _apart(heights, _GAP), strict=True):
        colour = colours[stage.name]
        label = names.annotate(
            f"{_short(one.name)}  {1e3 * one.seconds:.2g} ms",
            (one.intensity, max(one.flops / one.seconds, bottom)), xycoords=axes.transData,
            xytext=(0.02, height), textcoords=names.transAxes, fontsize=8.5, color=colour, va="center", zorder=6,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.7, "alpha": 0.55, "relpos": (0, 0.5), "shrinkB": 1},
        )  # fmt: skip
        label.set_in_layout(False)


def _longest(stage: Stage, points: Sequence[tuple[Stage, Operations]]) -> list[tuple[Stage, Operations]]:
    own = [pair for pair in points if pair[0] is stage and pair[1].seconds > WORTH * stage.seconds]
    return sorted(own, key=lambda pair: -pair[1].seconds)[:LABELLED]


def _short(name: str) -> str:
    """`blocks.attention.qkv linear` → `attention.qkv linear`: the last two modules are enough to tell."""
    path, _, operation = name.rpartition(" ")
    return f"{'.'.join(path.split('.')[-2:])} {operation}"


def _height(axes: Axes, value: float) -> float:
    """Where `value` stands, 0 (lower edge) … 1."""
    low, high = np.log(axes.get_ylim())
    return float((np.log(value) - low) / (high - low))


def _apart(wanted: Sequence[float], gap: float) -> list[float]:
    """Rising heights in 0…1, as near to the `wanted` (rising) ones as leaves `gap` between any two."""
    gap = min(gap, 0.98 / max(1, len(wanted) - 1))
    heights: list[float] = []
    for height in wanted:
        heights.append(max(height, heights[-1] + gap if heights else 0.01))
    for at in range(len(heights) - 1, -1, -1):
        heights[at] = min(heights[at], heights[at + 1] - gap if at + 1 < len(heights) else 0.99)
    return heights
