"""Where a key's milliseconds go, as a picture."""

from __future__ import annotations

import numpy as np

from dreamcade.evaluation.latency import STAGES, Changes
from dreamcade.evaluation.plots import draw_figure, png_of

COLOURS = {
    "network": "#06b6d4", "wait": "#94a3b8", "dynamics": "#f59e0b", "decode": "#ef4444", "encode": "#8b5cf6",
    "unpack": "#10b981", "paint": "#65a30d",
}  # fmt: skip
GROUPS = {"slowest twentieth": (95, 100), "middle fifth": (40, 60), "all changes": (0, 100)}
"""Percentiles of the whole: the mean stages of such a group add up, percentiles of stages do not."""


def plot_latency(changes: Changes, effective_ms: float, title: str) -> bytes:
    """Stacked stages of typical and of slow changes, and how all of them spread → PNG bytes."""
    with draw_figure(2) as (figure, (bars, spread)):
        for row, (low, high) in enumerate(GROUPS.values()):
            left, group = 0.0, changes.between(low, high)
            for stage in STAGES:
                width = float(group.stages[stage].mean())
                bars.barh(row, width, left=left, color=COLOURS[stage], label=stage if row == 0 else None)
                left += width
            bars.text(left, row, f" {left:.0f}", va="center", fontsize=9)
        bars.set(title=title, xlabel="ms from the key's event to the painted picture", yticks=range(len(GROUPS)))
        bars.set_yticklabels(list(GROUPS))
        bars.set_xlim(0, bars.get_xlim()[1] * 1.05)
        bars.legend(ncols=4, fontsize=7, loc="upper center", bbox_to_anchor=(0.45, -0.2))
        spread.hist(changes.total, bins=40, color=COLOURS["network"], alpha=0.6)
        for share, style in ((50, "-"), (95, "--")):
            at = float(np.percentile(changes.total, share))
            spread.axvline(at, color="#0f172a", ls=style, lw=1.2, label=f"true, p{share}: {at:.0f} ms")
        label = f"effective (amortized): {effective_ms:.0f} ms"
        spread.axvline(effective_ms, color=COLOURS["dynamics"], lw=1.2, label=label)
        spread.set(title=f"{len(changes.total)} changes of the controls", xlabel="ms", ylabel="changes")
        spread.legend(fontsize=8, frameon=True)
        return png_of(figure)
