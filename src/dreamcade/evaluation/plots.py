"""The report's plots. Each returns PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np

from dreamcade.core.errors import MissingExtraError
from dreamcade.evaluation.closed_loop import Drive
from dreamcade.evaluation.rollouts import CURVE, HORIZONS, OpenLoop
from dreamcade.evaluation.steering import SteerTry

try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as error:
    raise MissingExtraError("an evaluation's plots", "train") from error

COLOURS = {"dream": "#2563eb", "persistence": "#94a3b8", "codec": "#16a34a", "real": "#ea580c"}
LABELS = {"dream": "dream", "persistence": "persistence", "codec": "codec floor"}
_STYLE: dict[str, Any] = {
    "font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
    "axes.titleweight": "bold", "axes.titlelocation": "left", "legend.frameon": False,
}  # fmt: skip


@contextmanager
def _figure(columns: int = 1) -> Iterator[tuple[Figure, list[Axes]]]:
    # Figures of their own, without pyplot: nothing global is touched and no display is asked for.
    with matplotlib.rc_context(cast(Any, _STYLE)):
        figure = Figure(figsize=(5.2 * columns, 3.4), dpi=110, layout="constrained")
        yield figure, [figure.add_subplot(1, columns, i + 1) for i in range(columns)]


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def plot_horizons(open_loop: OpenLoop) -> bytes:
    """PSNR and LPIPS against the number of frames ahead, with the quartiles of the dream's windows."""
    with _figure(2) as (figure, (left, right)):
        pairs = ((left, CURVE, open_loop.psnr, "PSNR, dB (higher is better)"),
                 (right, HORIZONS, open_loop.lpips, "LPIPS (lower is better)"))  # fmt: skip
        for axes, horizons, scores, title in pairs:
            for source, values in scores.items():
                axes.plot(horizons, values.mean(0), "o-", ms=3.5, color=COLOURS[source], label=LABELS[source])
            low, high = np.percentile(scores["dream"], [25, 75], axis=0)
            axes.fill_between(horizons, low, high, color=COLOURS["dream"], alpha=0.12, lw=0)
            axes.set(title=title, xlabel="frames ahead", xscale="log", xticks=HORIZONS, xticklabels=HORIZONS)
            axes.minorticks_off()
        left.legend()
        return _png(figure)


def plot_steering(dream: Sequence[SteerTry], real: Sequence[SteerTry]) -> bytes:
    """How far the scene turned under left and right, every try a point."""
    with _figure() as (figure, (axes,)):
        for name, tries in (("dream", dream), ("real", real)):
            if tries:
                axes.scatter([t.left for t in tries], [t.right for t in tries], s=18, alpha=0.7,
                             color=COLOURS[name], label=name)  # fmt: skip
        axes.axhline(0, color="#64748b", lw=0.8)
        axes.axvline(0, color="#64748b", lw=0.8)
        axes.set(title="Turn of the scene after 8 ticks", xlabel="wheel left, degrees", ylabel="wheel right, degrees")
        axes.legend()
        return _png(figure)


def plot_survival(dream: Sequence[Drive], real: Sequence[Drive]) -> bytes:
    """Share of drives still on the road, and the share of time with the wheel turned, drive by drive."""
    with _figure(2) as (figure, (left, right)):
        for offset, (name, drives) in enumerate((("dream", dream), ("real", real))):
            if not drives:
                continue
            ends = sorted(d.seconds for d in drives if not d.survived)
            limit = max(d.limit / d.tick_rate for d in drives)
            alive = [1 - i / len(drives) for i in range(len(ends) + 1)]
            left.step([0, *ends, limit], [*alive, alive[-1]], where="post", color=COLOURS[name], label=name, lw=2)
            shares = sorted(float((np.abs(d.steer) > 0.1).mean()) for d in drives if d.steer)
            right.bar(np.arange(len(shares)) + 0.4 * offset, shares, 0.4, color=COLOURS[name], label=name)
        left.set(title="Drives still on the road", xlabel="seconds", ylim=(0, 1.05))
        right.set(title="Share of frames with |steer| > 0.1", xlabel="drive, sorted", xticks=[])
        left.legend()
        right.legend()
        return _png(figure)


def plot_long_play(dream: Sequence[Drive], real: Sequence[Drive]) -> bytes:
    """Brightness and contrast against time: a dream that melts drifts away from the game."""
    with _figure(2) as (figure, panels):
        for name, drives in (("dream", dream), ("real", real)):
            for axes, field in zip(panels, ("brightness", "contrast"), strict=True):
                for drive in drives:
                    every = max(1, round(drive.tick_rate / 2))
                    values = np.asarray(getattr(drive, field))[::every]
                    axes.plot(
                        np.arange(len(values)) * every / drive.tick_rate,
                        values,
                        color=COLOURS[name],
                        alpha=0.35,
                        lw=0.9,
                    )
                axes.plot([], [], color=COLOURS[name], label=name)
        panels[0].set(title="Brightness (0…255)", xlabel="seconds")
        panels[1].set(title="Contrast (deviation)", xlabel="seconds")
        panels[0].legend()
        return _png(figure)
