"""What a world in fewer bits loses and saves, as lines to print."""

from __future__ import annotations

from typing import Any

from dreamcade.evaluation.bits import REFERENCE


def smallest_within(figures: dict[str, Any], budget: float) -> str:
    """The name of the smallest form that loses at most `budget` dB against the game, on next frames and on rollouts.

    The upper ends of the intervals must keep to it: of a dozen forms, the mean of some would by luck.
    """
    rows = figures["rows"]
    judged = ("loss_next_interval", "loss_rollout_interval")
    kept: list[str] = [name for name, row in rows.items() if all(row[k][1] <= budget for k in judged)]
    return min(kept, key=lambda name: int(rows[name]["bytes"]))


def bits_table(figures: dict[str, Any], budget: float) -> list[str]:
    """Pictures a form, then bytes and milliseconds a form, then what they come to."""
    rows, still = figures["rows"], figures["persistence"]
    wide = max(map(len, rows))
    least = smallest_within(figures, budget)
    share = rows[least]["bytes"] / rows[REFERENCE]["bytes"]
    return [
        f"{'PSNR, dB':{wide}}   next  roll.   last   loss of next [95 %]   loss of rollout [95 %]  like float32",
        f"{'persistence':{wide}}  {_numbers(still)}",
        *(
            f"{name:{wide}}  {_numbers(r)}  {_span(r, 'next')}  {_span(r, 'rollout')}  "
            f"{r['next_same']:5.2f} {r['rollout_same']:5.2f}"
            for name, r in rows.items()
        ),
        "",
        f"{'':{wide}}  dynamics, codec: MB   memory: KB   pass, decode: ms",
        *(f"{name:{wide}}  {_sizes(r)}" for name, r in rows.items()),
        f"smallest with both losses' intervals within {budget:g} dB: {least}, {share:.0%} of float32's bytes",
    ]


def _numbers(row: dict[str, Any]) -> str:
    return " ".join(f"{row[key]:6.2f}" for key in ("next_real", "rollout_real", "last_real"))


def _span(row: dict[str, Any], what: str) -> str:
    low, high = row[f"loss_{what}_interval"]
    return f"{row[f'loss_{what}']:+.2f} [{low:+.2f}, {high:+.2f}]"


def _sizes(row: dict[str, Any]) -> str:
    emulated = row["pass_ms"] is None
    speed = "emulated: no speed" if emulated else f"{row['pass_ms']:7.2f} {row['decode_ms']:7.2f}"
    sizes = f"{row['dynamics_bytes'] / 1e6:8.2f} {row['codec_bytes'] / 1e6:8.2f}"
    return f"{sizes}      {row['memory_bytes'] / 1e3:8.1f}     {speed}"
