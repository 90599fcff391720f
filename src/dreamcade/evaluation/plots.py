"""The report's plots. Each returns PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.errors import MissingExtraError

try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as error:
    raise MissingExtraError("an evaluation's plots", "train") from error

TICKS_SHOWN = (1, 4, 16, 64, 256)
TITLES = {
    "psnr": "PSNR, dB (higher is better)", "ssim": "SSIM (higher is better)", "lpips": "LPIPS (lower is better)",
}  # fmt: skip
COLOURS = {"dream": "#2563eb", "persistence": "#94a3b8", "codec": "#16a34a", "real": "#ea580c"}
LABELS = {"dream": "dream", "persistence": "persistence", "codec": "codec floor"}
_STYLE: dict[str, Any] = {
    "font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
    "axes.titleweight": "bold", "axes.titlelocation": "left", "legend.frameon": False,
}  # fmt: skip


@contextmanager
def draw_figure(
    columns: int = 1, size: tuple[float, float] | None = None, ratios: Sequence[float] | None = None
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of so many panels in the house's style; of another `size` in inches, or with other `ratios` of widths,
    where they are given."""
    # Figures of their own, without pyplot: nothing global is touched and no display is asked for.
    with matplotlib.rc_context(cast(Any, _STYLE)):
        figure = Figure(figsize=size or (5.2 * columns, 3.4), dpi=110, layout="constrained")
        grid = figure.add_gridspec(1, columns, width_ratios=ratios)
        yield figure, [figure.add_subplot(grid[0, i]) for i in range(columns)]


def png_of(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


class Played(Protocol):
    """One play of a pilot, as far as it is drawn."""

    @property
    def tick_rate(self) -> float: ...
    @property
    def brightness(self) -> list[float]: ...
    @property
    def contrast(self) -> list[float]: ...
    @property
    def change(self) -> list[float]: ...


def plot_horizons(
    points: Mapping[str, Sequence[int]], scores: Mapping[str, Mapping[str, NDArray[np.float64]]]
) -> bytes:
    """Every measure `[windows, N]` of every source against the frames ahead (`points` `[N]`), with quartiles."""
    with draw_figure(len(scores)) as (figure, panels):
        for axes, (measure, sources) in zip(panels, scores.items(), strict=True):
            for source, values in sources.items():
                axes.plot(points[measure], values.mean(0), "o-", ms=3.5, color=COLOURS[source], label=LABELS[source])
            low, high = np.percentile(sources["dream"], [25, 75], axis=0)
            axes.fill_between(points[measure], low, high, color=COLOURS["dream"], alpha=0.12, lw=0)
            shown = [h for h in TICKS_SHOWN if h <= points[measure][-1]]
            axes.set(title=TITLES[measure], xlabel="frames ahead", xscale="log", xticks=shown, xticklabels=shown)
            axes.minorticks_off()
        panels[0].legend()
        return png_of(figure)


def plot_steering(dream: Sequence[tuple[float, float]], real: Sequence[tuple[float, float]]) -> bytes:
    """How far the scene turned under left and right (degrees), every try a point."""
    with draw_figure() as (figure, (axes,)):
        for name, tries in (("dream", dream), ("real", real)):
            if tries:
                left, right = zip(*tries, strict=True)
                axes.scatter(left, right, s=18, alpha=0.7, color=COLOURS[name], label=name)
        axes.axhline(0, color="#64748b", lw=0.8)
        axes.axvline(0, color="#64748b", lw=0.8)
        axes.set(title="Turn of the scene after 8 ticks", xlabel="wheel left, degrees", ylabel="wheel right, degrees")
        axes.legend()
        return png_of(figure)


def plot_plays(dream: Sequence[Played], real: Sequence[Played]) -> bytes:
    """Brightness, contrast and movement against time, one line per play: a dream that melts drifts from the game."""
    panels = {"brightness": "Brightness (0…255)", "contrast": "Contrast (deviation)", "change": "Movement (0…255)"}
    with draw_figure(len(panels)) as (figure, all_axes):
        for name, plays in (("real", real), ("dream", dream)):
            for axes, field in zip(all_axes, panels, strict=True):
                for play in plays:
                    values = _per_second(getattr(play, field), play.tick_rate)
                    axes.plot(np.arange(len(values)), values, color=COLOURS[name], alpha=0.4, lw=0.9)
                axes.plot([], [], color=COLOURS[name], label=name)
        for axes, title in zip(all_axes, panels.values(), strict=True):
            axes.set(title=title, xlabel="seconds")
        all_axes[0].legend()
        return png_of(figure)


def _per_second(values: Sequence[float], tick_rate: float) -> NDArray[np.float64]:
    each = max(1, round(tick_rate))
    whole = len(values) // each * each
    means: NDArray[np.float64] = np.asarray(values[:whole], np.float64).reshape(-1, each).mean(1)
    return means


def plot_drift(names: Sequence[str], looks: NDArray[np.float64], real: NDArray[np.float64], seconds: float) -> bytes:
    """Looks `[N, names]` of a long play, one every `seconds`, over the band in which nine in ten real frames lie."""
    with draw_figure(len(names)) as (figure, panels):
        time = np.arange(1, len(looks) + 1) * seconds
        for i, (axes, name) in enumerate(zip(panels, names, strict=True)):
            low, high = np.percentile(real[:, i], [5, 95])
            axes.axhspan(low, high, color=COLOURS["real"], alpha=0.15, lw=0, label="real play")
            axes.axhline(real[:, i].mean(), color=COLOURS["real"], lw=1)
            axes.plot(time, looks[:, i], color=COLOURS["dream"], lw=0.8, alpha=0.5)
            width = max(1, len(looks) // 40)
            smooth = np.convolve(looks[:, i], np.ones(width) / width, "valid")
            axes.plot(time[width - 1 :], smooth, color=COLOURS["dream"], lw=1.8, label="dream")
            axes.set(title=name.capitalize(), xlabel="seconds")
        panels[0].legend()
        return png_of(figure)


def plot_skips(tried: Sequence[Mapping[str, Any]], budget: float) -> bytes:
    """Every setting that a calibration tried: share of passes skipped against what it lost, dB, by skips in a row."""
    with draw_figure() as (figure, (axes,)):
        for cap in sorted({t["most_skips"] for t in tried}):
            points = sorted((100 * t["skipped"], t["loss_db"]) for t in tried if t["most_skips"] == cap)
            axes.plot(*zip(*points, strict=True), "o", ms=4, label=f"at most {cap} in a row")
        axes.axhline(budget, color="#64748b", lw=0.8, ls="--")
        axes.set(title="What skipping costs", xlabel="passes skipped, %", ylabel="PSNR lost, dB")
        axes.legend()
        return png_of(figure)
