"""Faults that are counted in frames by a network: what it misreads of the game itself, which has none, is taken off."""

from __future__ import annotations

from dreamcade.evaluation.axis import NOT_ENOUGH, Criterion, Figures, at_least, number, percent


def faultless(figures: Figures, key: str) -> float | None:
    """The share, 0…1, without the fault whose share is `figures[key]`, of which `key` + `_real`, what is misread of the
    game, is taken off first; None where it was not counted."""
    fault = figures.get(key)
    return None if fault is None else 1 - max(0.0, fault - (figures.get(f"{key}_real") or 0.0))


def faultless_words(figures: Figures, key: str) -> str:
    """The same figure for a verdict, and what was taken off."""
    misread = figures.get(f"{key}_real")
    game = (
        "game not measured" if misread is None else f"game 100 %: the {100 * misread:.2f} % misread of it are left out"
    )
    return f"{number(percent(faultless(figures, key)))} % ({game})"


def faultless_line(title: str, figures: Figures, key: str, target: float, enough: bool) -> Criterion:
    """The same figure must be at least `target` per cent; not judged where as much is misread of the game as `target`
    leaves for faults, or nobody knows how much that is."""
    misread = figures.get(f"{key}_real")
    doubt = NOT_ENOUGH
    if misread is None:
        enough, doubt = False, "without the game nobody knows what is misread: not judged"
    elif 100 * misread > 100 - target:
        enough, doubt = False, f"{100 * misread:.1f} % of the game is misread: too much to judge"
    return at_least(title, percent(faultless(figures, key)), target, " %", enough, doubt)
