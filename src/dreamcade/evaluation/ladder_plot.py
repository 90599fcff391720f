"""The ladder as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dreamcade.evaluation.plots import draw_figure, png_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BELOW: dict[str, Any] = {"ncols": 3, "loc": "upper center", "bbox_to_anchor": (0.45, -0.08)}
_SHARES = {"delivered": "#16a34a", "extrapolated": "#f59e0b", "computed": "#2563eb"}


def plot_ladder(figures: Mapping[str, Any]) -> bytes:
    """PNG: how long from key to paint and effectively, frames per second, what frames were, what it costs."""
    rungs: Mapping[str, Mapping[str, Any]] = figures["rungs"]
    with draw_figure(4) as (figure, panels):
        _latencies(panels[0], rungs)
        _rates(panels[1], rungs, figures["tick_rate"])
        _shares(panels[2], rungs)
        _pictures(panels[3], rungs)
        for panel in panels:
            panel.invert_yaxis()
        for panel in panels[1:]:
            panel.set_yticklabels([])
        figure.suptitle(f"{figures['world']}: {figures['machine']}", x=0.01, ha="left", fontsize=9, color="#64748b")
        return png_of(figure)


def _latencies(axes: Axes, rungs: Mapping[str, Mapping[str, Any]]) -> None:
    names, browsed = list(rungs), all("browser" in rung for rung in rungs.values())
    middle = [r["browser"]["m2p_ms_p50"] if browsed else r["input_ms_p50"] for r in rungs.values()]
    high = [r["browser"]["m2p_ms_p95"] if browsed else r["input_ms_p95"] for r in rungs.values()]
    what = "key to paint" if browsed else "input to picture"
    axes.barh(names, high, color="#bfdbfe", label=f"{what}, p95")
    axes.barh(names, middle, color="#2563eb", height=0.5, label=f"{what}, p50")
    axes.plot([r["effective_ms"] for r in rungs.values()], names, "D", color="#ea580c", label="effective (amortized)")
    axes.set_title("milliseconds")
    axes.legend(fontsize=7, frameon=False, **_BELOW)


def _rates(axes: Axes, rungs: Mapping[str, Mapping[str, Any]], tick_rate: float) -> None:
    names = list(rungs)
    axes.barh(names, [r["fps_unpaced"] for r in rungs.values()], color="#cbd5e1", label="as fast as it goes")
    axes.barh(names, [r["fps"] for r in rungs.values()], color="#475569", height=0.5, label="in real time")
    axes.axvline(tick_rate, color="#ea580c", linewidth=1, label="tick rate")
    axes.set_title("frames per second")
    axes.legend(fontsize=7, frameon=False, **_BELOW)


def _shares(axes: Axes, rungs: Mapping[str, Mapping[str, Any]]) -> None:
    names, left = list(rungs), [0.0] * len(rungs)
    for what, colour in _SHARES.items():
        widths = [100 * r["shares"][what] for r in rungs.values()]
        axes.barh(names, widths, left=left, color=colour, label=what)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.set_title("frames, %")
    axes.legend(fontsize=7, frameon=False, **_BELOW)


def _pictures(axes: Axes, rungs: Mapping[str, Mapping[str, Any]]) -> None:
    names, values = list(rungs), [r["picture"]["psnr_real"] for r in rungs.values()]
    still = next(iter(rungs.values()))["picture"]["psnr_persistence"]
    axes.barh(names, values, color="#2563eb", height=0.5)
    axes.axvline(still, color="#94a3b8", linewidth=1, label="persistence")
    axes.set_xlim(min([*values, still]) - 1, max([*values, still]) + 0.5)
    axes.set_title("PSNR to the game, dB")
    axes.legend(fontsize=7, frameon=False, **_BELOW)
