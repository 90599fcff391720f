"""What a pilot's plays must reach, game by game."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dreamcade.evaluation.axis import Criterion, at_least, between
from dreamcade.evaluation.reading import TRUSTED

PilotFigures = Mapping[str, float | int | None]
Judge = Callable[[PilotFigures], list[Criterion]]

ENOUGH_STARTS, ENOUGH_SECONDS = 12, 60.0
RACING_SECONDS = 300.0


def judge_racing(figures: PilotFigures) -> list[Criterion]:
    """Lasts, bends as the game does, shows kerbs, moves."""
    enough = _enough(figures)
    long = enough and float(figures["pilot_limit"] or 0) >= RACING_SECONDS
    return [
        at_least("Pilot, median time on the road", figures["pilot_seconds_median"], RACING_SECONDS, " s", long),
        at_least(
            "Pilot, plays that last", _share(figures, "pilot_lasted", "pilot_starts"), 100 * 10 / 12, " %", enough
        ),
        at_least("Pilot, share of frames with |steer| > 0.1", figures["pilot_steer_share"], 0.10, "", enough),
        between(
            "Pilot, bends a minute over the game's", over_game(figures, "pilot_bends_per_minute"), 0.7, 1.3, "", enough
        ),
        at_least("Pilot, frames with kerbs over the game's", over_game(figures, "pilot_kerb_share"), 0.5, "", enough),
        _movement(figures, enough),
    ]


def judge_platforming(figures: PilotFigures) -> list[Criterion]:
    """Gets on as it does in the game."""
    enough = _enough(figures)
    progress = over_game(figures, "pilot_progress_per_minute")
    return [
        between("Pilot, progress a minute over the game's", progress, 0.7, 1.3, "", enough),
        _movement(figures, enough),
    ]


def judge_walking(figures: PilotFigures) -> list[Criterion]:
    """Walks as far as in the game, and sees as much."""
    enough = _enough(figures)
    walked = over_game(figures, "pilot_walked_per_minute")
    return [
        between("Pilot, way walked a minute over the game's", walked, 0.7, 1.3, "", enough),
        between(
            "Pilot, detail of the last seconds over the game's",
            over_game(figures, "pilot_detail_kept"),
            0.7,
            1.3,
            "",
            enough,
        ),
        _movement(figures, enough),
    ]


def judge_any(figures: PilotFigures) -> list[Criterion]:
    """Moves and changes as the game does under the same keys; nothing is judged beside other keys."""
    enough = _enough(figures) and bool(figures.get("pilot_same_play", True))
    variety = over_game(figures, "pilot_variety")
    return [
        between("Pilot, variety of the picture over the game's", variety, 0.5, 1.5, "", enough),
        _movement(figures, enough),
    ]


def over_game(figures: PilotFigures, key: str) -> float | None:
    """A figure of the dream over the game's; None where either is missing or the game's is nothing."""
    dream, game = figures.get(key), figures.get(f"{key}_real")
    return float(dream / game) if dream is not None and game else None


def _enough(figures: PilotFigures) -> bool:
    plays = (figures["pilot_limit"] or 0) >= ENOUGH_SECONDS and (figures["pilot_starts"] or 0) >= ENOUGH_STARTS
    return plays and float(figures.get("pilot_sees", 1.0) or 0) >= TRUSTED


def _share(figures: PilotFigures, part: str, whole: str) -> float | None:
    some, all_of = figures.get(part), figures.get(whole)
    return 100 * some / all_of if some is not None and all_of else None


def _movement(figures: PilotFigures, enough: bool) -> Criterion:
    # A frozen picture is easy to survive in: the dream must move as the game does, neither less nor more.
    share = over_game(figures, "pilot_frame_difference")
    return between("Pilot, movement of the picture beside the game's", None if share is None else 100 * share, 50, 150,
                   " %", enough)  # fmt: skip
