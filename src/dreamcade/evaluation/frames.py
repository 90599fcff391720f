"""The axis `frames`: how near the dreamed frames come to the real ones, next and far ahead."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dreamcade.evaluation import plots
from dreamcade.evaluation.axis import Axis, Criterion, at_least, at_most, number
from dreamcade.evaluation.metrics import mean_interval
from dreamcade.evaluation.rollouts import SOURCES, Rollouts
from dreamcade.evaluation.strips import card_clip, clip, contact_sheet
from dreamcade.evaluation.subjects import Targets
from dreamcade.world.manifest import CLIP_FILE

ENOUGH_WINDOWS = 24
CLEARLY_LESS = 0.9
"""Of persistence's LPIPS: a next frame that is not even so much better might as well repeat the last one."""
MEASURES = {"psnr": ("PSNR, dB", 2), "ssim": ("SSIM", 3), "lpips": ("LPIPS (Alex)", 3)}


def frames_axis(made: Rollouts, targets: Targets, tick_rate: float) -> Axis:
    """Figures `psnr_next`, `psnr_h16`, `psnr_h16_persistence`, `psnr_h16_codec`, `psnr_h16_interval` and so on; `next`
    is teacher-forced (true context every time), the others open-loop."""
    figures = _figures(made)
    enough = len(made.episodes) >= ENOUGH_WINDOWS
    axis = Axis(
        "frames",
        "Frames",
        "The candidate is given real context and goes on under the recorded actions. Persistence repeats the last "
        "context frame; the codec floor is the real frame, encoded and decoded: nothing that the dynamics could do "
        "would come nearer. Next frame: with true context every time. In brackets: 95 % interval, episodes drawn with "
        "replacement.",
        figures=figures,
        criteria=_criteria(figures, targets, enough),
        columns=("", "dream", "persistence", "codec floor"),
        rows=_rows(figures, made),
        verdict=_verdict(figures, made),
    )
    caption = "Against the number of frames ahead; shaded: the middle half of the windows."
    axis.plots[caption] = plots.plot_horizons({m: made.points(m) for m in made.scores}, made.scores)
    columns = [f"{h} frame{'s' if h > 1 else ''} ahead" for h in made.horizons]
    for i, (real, dreamed) in enumerate(made.strips):
        name = f"Held-out window {i + 1} ({made.episodes[i]}): real above dreamed."
        axis.sheets[name] = contact_sheet([list(real), list(dreamed)], columns, ["real", "dream"])
    for i, (real, dreamed) in enumerate(made.clips):
        axis.clips[f"Window {i + 1}: the game on the left, the dream on the right."] = clip(real, dreamed, tick_rate)
    if made.clips:
        axis.files[CLIP_FILE] = card_clip(*made.clips[0], tick_rate)
    return axis


def _figures(made: Rollouts) -> dict[str, Any]:
    figures: dict[str, Any] = {"windows": len(made.episodes), "horizons": list(made.horizons)}
    for measure in made.scores:
        figures[f"{measure}_codec"] = float(np.mean(made.scores[measure]["codec"]))
        _enter(figures, f"{measure}_next", lambda s, m=measure: made.teacher[m][s], made.teacher_episodes)  # type: ignore[misc]
        for h in made.horizons:
            _enter(figures, f"{measure}_h{h}", lambda s, m=measure, h=h: made.at(m, s, h), made.episodes)  # type: ignore[misc]
    return figures


def _enter(figures: dict[str, Any], key: str, values: Callable[[str], Any], episodes: Sequence[str]) -> None:
    for source in SOURCES:
        figures[key if source == "dream" else f"{key}_{source}"] = float(values(source).mean())
    figures[f"{key}_interval"] = mean_interval(values("dream"), episodes)


def _criteria(figures: dict[str, Any], targets: Targets, enough: bool) -> list[Criterion]:
    def gap(key: str, beside: str) -> float | None:
        return figures[key] - figures[f"{key}_{beside}"] if key in figures else None

    lines = [
        at_least("Next frame above persistence", gap("psnr_next", "persistence"), targets.next_gain, " dB", enough),
        at_most("Next frame below the codec floor", _less(gap("psnr_next", "codec")), targets.next_loss, " dB", enough),
        at_least("16 ahead above persistence", gap("psnr_h16", "persistence"), targets.h16_gain, " dB", enough),
        _beside(
            at_most("Next frame, LPIPS", figures.get("lpips_next"), targets.next_lpips, "", enough), figures, "lpips"
        ),
        at_most("Next frame, LPIPS over persistence's", _lpips_ratio(figures), CLEARLY_LESS, " ×", enough),
    ]
    if targets.next_psnr is not None:
        line = at_least("Next frame, PSNR", figures["psnr_next"], targets.next_psnr, " dB", enough)
        lines.append(_beside(line, figures, "psnr"))
    return lines


def _beside(line: Criterion, figures: dict[str, Any], measure: str) -> Criterion:
    """The same line, with persistence's figure and the codec's beside its own."""
    if f"{measure}_next" not in figures:
        return line
    return dataclasses.replace(line, value=f"{line.value}; {_baselines(figures, measure)}")


def _baselines(figures: dict[str, Any], measure: str) -> str:
    digits = MEASURES[measure][1]
    persistence, codec = (number(figures[f"{measure}_next_{source}"], digits) for source in ("persistence", "codec"))
    return f"persistence {persistence}, codec floor {codec}"


def _lpips_ratio(figures: dict[str, Any]) -> float | None:
    if not figures.get("lpips_next_persistence"):
        return None
    return float(figures["lpips_next"] / figures["lpips_next_persistence"])


def _less(value: float | None) -> float | None:
    return None if value is None else -value


def _rows(figures: dict[str, Any], made: Rollouts) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for measure, (title, digits) in MEASURES.items():
        if measure not in made.scores:
            continue
        for key, words in (("next", "next frame"), *((f"h{h}", f"{h} ahead") for h in made.horizons)):
            name = f"{measure}_{key}"
            low, high = figures[f"{name}_interval"]
            dream = f"{figures[name]:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
            rest = [number(figures[f"{name}_{s}"], digits) for s in ("persistence", "codec")]
            rows.append((f"{title}, {words}", dream, *rest))
    return rows


def _verdict(figures: dict[str, Any], made: Rollouts) -> str:
    def gain(key: str) -> str:
        return f"{figures[key] - figures[key + '_persistence']:+.1f} dB"

    ahead = [f"{gain(f'psnr_h{h}')} at {h}" for h in made.horizons if h > 1]
    below = figures["psnr_next_codec"] - figures["psnr_next"]
    first = f"Next frame {gain('psnr_next')} against persistence ({below:.1f} dB below the codec floor)"
    seen = ""
    if "lpips_next" in figures:
        seen = f"; next frame's LPIPS {figures['lpips_next']:.3f} ({_baselines(figures, 'lpips')})"
    return f"{first}; {', '.join(ahead)}{seen}."
