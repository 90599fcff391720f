"""A simulation's answer as lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HEAD = ("layout", "players each", "replicas", "devices", "per 100", "FPS", "p5", "missed", "p50", "p95", "p99 ms",
        "hits", "dynamics", "decoder", "encoding")  # fmt: skip


def answer_lines(found: Mapping[str, Any]) -> list[str]:
    """Of `Answer.to_json`."""
    rows = [_row(size) for size in found["sizes"]]
    widths = [max(len(row[i]) for row in (HEAD, *rows)) for i in range(len(HEAD))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (HEAD, *rows)]
    notes = [f"{size['pipeline']}: {size['why_not']}" for size in found["sizes"] if size["why_not"]]
    return [_question(found), "", *(line.rstrip() for line in table), *notes, "", *_verdict(found), *_day(found)]


def _question(found: Mapping[str, Any]) -> str:
    objective, latency = found["objective"], found["objective"]["latency_p95_ms"]
    soon = "" if latency is None else f", 95 % of changes answered in {latency:g} ms"
    players = f"{found['players']} player{'s' * (found['players'] != 1)}"
    return (
        f"Simulated: {players} of {found['workload']} at {objective['tick_rate']:g} ticks a second; "
        f"at most {objective['misses']:.0%} of the frames missed{soon}; seed {found['window']['seed']}"
    )


def _row(size: Mapping[str, Any]) -> tuple[str, ...]:
    figures = size["figures"]
    name = size["pipeline"] + ("" if size["confirmed"] else " (one replica)")
    counts = (
        [str(size[key]) for key in ("sessions_per_replica", "replicas", "devices")] if size["replicas"] else 3 * ["–"]
    )
    each = size["devices_per_100_players"]
    return (
        name, *counts, "–" if each is None else f"{each:.3g}", f"{figures['fps']:.1f}", f"{figures['fps_p5']:.1f}",
        _share(figures["misses"], 2), *(_ms(figures[f"latency_{p}"]) for p in ("p50", "p95", "p99")),
        _share(figures["hit_rate"]), _share(figures["dynamics"] + figures["dynamics_drafts"]),
        _share(figures["decoder"] + figures["decoder_drafts"]), _share(figures["encoding"]),
    )  # fmt: skip


def _verdict(found: Mapping[str, Any]) -> list[str]:
    best = found["sizes"][0]
    if not best["replicas"]:
        return ["No layout on these devices gives even one player what was asked for."]
    there = sum(int(part.rpartition(":")[2]) for part in found["devices"].split(","))
    lines = [
        f"{best['devices']} devices as {best['replicas']} × {best['pipeline']}, "
        f"{best['devices_per_100_players']:.3g} for 100 players"
        + ("" if best["devices"] <= there else f"; there are {there}: {best['devices'] - there} are missing")
    ]
    if best["price_an_hour"] is not None:
        lines.append(f"{best['price_an_hour']:.2f} EUR an hour, {best['price_per_player_hour']:.4f} for each player")
    return lines


def _day(found: Mapping[str, Any]) -> list[str]:
    day = found["day"]
    if not day:
        return []
    each = day["device_hours"] / max(day["player_hours"], 1e-9)
    lines = [
        f"A day with at most so many at a time, autoscaled: {day['visits']} visits, {day['player_hours']:.0f} hours "
        f"played on {day['device_hours']:.0f} device hours ({100 * each:.3g} devices for 100 players); "
        f"{day['refused']} refused, longest wait {day['most_waited_seconds']:.0f} s"
    ]
    if day["losses"]:
        lines.append(f"{day['losses']} replicas lost, {day['moved']} sessions moved on")
    if day["price"] is not None:
        lines.append(f"{day['price']:.2f} EUR a day, {day['price_per_player_hour']:.4f} for each player and hour")
    return lines


def _share(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:.{digits}%}"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"
