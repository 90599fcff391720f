"""A simulation's answer as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamcade.evaluation.plots import draw_figure, png_of

BLUE, ORANGE, GREEN, GREY, RED = "#2563eb", "#f59e0b", "#16a34a", "#94a3b8", "#ef4444"
POINTS = 60


def plot_answer(found: Mapping[str, Any]) -> bytes:
    """Of `Answer.to_json`: devices and latency by players, a day, and how busy the stages are → PNG bytes."""
    best = found["sizes"][0]
    with draw_figure(4, size=(19.0, 4.0)) as (figure, panels):
        _devices(panels[0], found)
        _latency(panels[1], best, found)
        _work(panels[2], best)
        _day(panels[3], found)
        return png_of(figure)


def _devices(axes: Any, found: Mapping[str, Any]) -> None:
    """Whole replicas: stairs."""
    players = found["players"]
    asked = [max(1, round(2 * players * i / POINTS)) for i in range(1, POINTS + 1)]
    for size, colour in zip((s for s in found["sizes"] if s["replicas"]), (BLUE, ORANGE, GREEN, GREY), strict=False):
        each = size["devices"] // size["replicas"]
        needed = [each * -(-n // size["sessions_per_replica"]) for n in asked]
        axes.plot(asked, needed, color=colour, drawstyle="steps-post", lw=1.6, label=size["pipeline"])
    axes.axvline(players, color="#0f172a", lw=0.8, ls="--")
    axes.set(title="Devices needed", xlabel="players at a time", ylabel="devices", ylim=(0, None), xlim=(0, None))
    if any(size["replicas"] for size in found["sizes"]):
        axes.legend(fontsize=8)


def _by_sessions(size: Mapping[str, Any]) -> tuple[list[int], list[Mapping[str, Any]]]:
    known = {int(n): figures for n, figures in size["by_sessions"].items()}
    sessions = sorted(known)
    return sessions, [known[n] for n in sessions]


def _latency(axes: Any, best: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    sessions, figures = _by_sessions(best)
    for name, colour in (("p50", BLUE), ("p95", ORANGE), ("p99", RED)):
        axes.plot(sessions, [f[f"latency_{name}"] for f in figures], "o-", ms=3.5, color=colour, label=name)
    objective = found["objective"]["latency_p95_ms"]
    if objective is not None:
        axes.axhline(objective, color="#64748b", lw=0.8, ls="--", label="objective for p95")
    _chosen(axes, best)
    axes.set(title="From key to frame", xlabel="players on a replica", ylabel="ms", ylim=(0, None))
    axes.legend(fontsize=8)


def _work(axes: Any, best: Mapping[str, Any]) -> None:
    sessions, figures = _by_sessions(best)
    stages = (("dynamics", BLUE, "dynamics, ticks"), ("decoder", GREEN, "decoder, ticks"))
    for stage, colour, label in stages:
        if not any(f[stage] for f in figures):
            continue  # a shared device: all is the dynamics'
        ticks = [100 * f[stage] for f in figures]
        both = [100 * (f[stage] + f[f"{stage}_drafts"]) for f in figures]
        axes.plot(sessions, ticks, "o-", ms=3.5, color=colour, label=label)
        axes.plot(sessions, both, "o--", ms=3.5, color=colour, alpha=0.5, label=f"{stage}, with drafts")
    axes.plot(sessions, [100 * f["encoding"] for f in figures], "^-", ms=3.5, color=ORANGE, label="encoding, host")
    axes.plot(sessions, [100 * f["misses"] for f in figures], "s-", ms=3.5, color=RED, label="frames missed")
    _chosen(axes, best)
    axes.set(title="How busy the stages are", xlabel="players on a replica", ylabel="%", ylim=(0, None))
    axes.legend(fontsize=8)


def _chosen(axes: Any, best: Mapping[str, Any]) -> None:
    if best["replicas"]:
        axes.axvline(best["sessions_per_replica"], color="#0f172a", lw=0.8, ls="--")


def _day(axes: Any, found: Mapping[str, Any]) -> None:
    day = found["day"]
    if day is None:
        axes.set(title="A day, autoscaled: nobody plays")
        return
    history: Sequence[Sequence[float]] = day["history"]
    hours = [row[0] / 3600 for row in history]
    best = found["sizes"][0]
    each = best["devices"] // best["replicas"]
    axes.plot(hours, [row[2] for row in history], color=GREY, lw=1.6, label="players")
    places = [row[1] * best["sessions_per_replica"] for row in history]
    axes.plot(hours, places, color=BLUE, lw=1.6, drawstyle="steps-post", label="places on the devices held")
    axes.set(title="A day, autoscaled", xlabel="hour", ylabel="players", xlim=(0, 24), xticks=range(0, 25, 4))
    ratio = best["sessions_per_replica"] / each
    right = axes.secondary_yaxis("right", functions=(lambda players: players / ratio, lambda held: held * ratio))
    right.set_ylabel("devices")
    axes.set_ylim(0, None)
    axes.legend(fontsize=8, loc="lower right")
