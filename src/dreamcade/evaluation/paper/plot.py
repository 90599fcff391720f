"""Where a frame of the paper's engine spends its milliseconds, beside the least they could be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamcade.evaluation.paper.counts import PASS, STAGES
from dreamcade.evaluation.plots import draw_figure, png_of

COLOURS = dict(zip(STAGES, ("#94a3b8", "#f59e0b", "#06b6d4", "#ef4444", "#8b5cf6"), strict=True))


def plot_paper(figures: Mapping[str, Any]) -> bytes:
    """For every number of steps the stages as measured and at their floor; frames a second beside it → PNG bytes."""
    steps = list(figures["frames"])
    with draw_figure(2, size=(11.0, 2.4 + 0.8 * len(steps)), ratios=(2, 1)) as (figure, (bars, rates)):
        rows: list[str] = []
        for count in steps:
            for key, label in (("ms", "measured"), ("floor_ms", "floor")):
                _stack(bars, len(rows), figures["stages"], int(count), key)
                rows.append(f"{count} step{'s' * (count != '1')}, {label}")
        title = f"{figures['preset']}, {'×'.join(map(str, figures['frame_size']))}: stages of a frame"
        bars.set(title=title, xlabel="ms", yticks=range(len(rows)))
        bars.set_yticklabels(rows)
        bars.invert_yaxis()
        bars.legend(ncols=len(STAGES), fontsize=7, loc="upper center", bbox_to_anchor=(0.45, -0.22))
        _rates(rates, figures)
        return png_of(figure)


def _stack(bars: Any, row: int, stages: Mapping[str, Any], steps: int, key: str) -> None:
    left = 0.0
    for name in STAGES:
        length = (steps if name == PASS else 1) * stages[name][key]
        bars.barh(row, length, left=left, color=COLOURS[name], label=name if row == 0 else None)
        left += length
    bars.text(left, row, f" {left:.3g}", va="center", fontsize=8)


def _rates(rates: Any, figures: Mapping[str, Any]) -> None:
    """Frames a second in turn and pipelined; at full size, the paper's on all of its devices as a line."""
    steps = list(figures["frames"])
    sides = (-0.2, "fps", "in turn", "#2563eb"), (0.2, "pipelined_fps", "pipelined", "#16a34a")
    for shift, key, label, colour in sides:
        heights = [figures["frames"][count][key] for count in steps]
        rates.bar([place + shift for place in range(len(steps))], heights, 0.4, color=colour, label=label)
    paper = figures["paper"]
    if figures["shrink"] == 1:
        rates.axhline(paper["fps"], color="#0f172a", ls="--", lw=1, label=f"the paper, {paper['devices']} devices")
    rates.set(title="FPS on this device", xlabel="steps", xticks=range(len(steps)))
    rates.set_xticklabels(steps)
    rates.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.22))
