"""`dreamcade record video:DIR`: videos with actions beside them become a dataset."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress

from dreamcade.core.controls import Controls
from dreamcade.core.errors import BadInputError, DatasetError, UnknownNameError
from dreamcade.dataset.format import DatasetMeta, EpisodeInfo, Split
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.tracks import derive_controls, misfit
from dreamcade.dataset.videos import DIGEST, Film, common_rate, film_of, find_films, play_film
from dreamcade.dataset.writer import DatasetWriter, write_episode

LEAST_RATE, MOST_RATE = 1, 240
"""Ticks a second, as for games."""


def record_videos(
    folder: Path, out: Path, size: tuple[int, int] | None, controls_file: Path | None, ticks: int
) -> tuple[DatasetWriter, int]:
    """Stores every film that fits, in episodes of `ticks` ticks; says of each other what is wrong, by file and time.
    What is stored already is read again only where the film or its actions have changed.

    Returns the dataset, and how many of its episodes are new. Raises `DatasetError` where not one film can be used.
    """
    from dreamcade.codec.config import comfortable_size  # the room of codecs loads PyTorch, which no help needs

    given = _read_controls(controls_file)
    rate = given.pop("tick_rate", None)
    films, wrong = find_films(folder, controls_file)
    _expect_any(folder, films, wrong)
    named = {"axes": [], "buttons": [], **given}
    controls = Controls.from_json(named) if given else derive_controls([film.track for film in films])
    films = _fitting(folder, films, lambda film: misfit(film.track, controls))
    tick_rate = float(rate) if isinstance(rate, int | float) else common_rate(films)
    films = _fitting(folder, films, lambda film: film.unfit(tick_rate, ticks))
    chosen = size or comfortable_size(*films[0].size)
    made: dict[str, str | int | float] = {"policy": "video", "ticks": ticks}
    name = f"video:{folder.resolve().name}"
    writer = DatasetWriter(out, DatasetMeta(name, controls, chosen, tick_rate, "unknown", "dreamcade record", made))
    fresh = _store(writer, films, ticks)
    if not any(e.split == "heldout" for e in writer.episodes):
        typer.echo("nothing is held out, and training needs it: add a film, or choose fewer --ticks", err=True)
    return writer, fresh


def _read_controls(file: Path | None) -> dict[str, object]:
    if file is None:
        return {}
    try:
        data = dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise BadInputError(f"{file} must be a JSON file that names controls; {error}") from error
    unknown = {*data} - {"tick_rate", "buttons", "axes"}
    if unknown:
        raise BadInputError(f"{file} may have tick_rate, buttons and axes here; got also {', '.join(sorted(unknown))}")
    rate = data.get("tick_rate", 1)
    if type(rate) not in (int, float) or not LEAST_RATE <= rate <= MOST_RATE:
        raise BadInputError(
            f"tick_rate in {file} must be a number from {LEAST_RATE} to {MOST_RATE} a second; got {json.dumps(rate)}"
        )
    return data


def _fitting(folder: Path, films: list[Film], wrong_with: Callable[[Film], str | None]) -> list[Film]:
    reasons = [wrong_with(film) for film in films]
    good = [film for film, reason in zip(films, reasons, strict=True) if reason is None]
    _expect_any(folder, good, [reason for reason in reasons if reason])
    return good


def _expect_any(folder: Path, films: list[Film], wrong: list[str]) -> None:
    """Says what is left out. Raises `DatasetError` where nothing remains."""
    for line in wrong:
        typer.echo(f"left out: {line}", err=True)
    if not films:
        raise DatasetError(f"none of the videos in {folder} can be used: {'; '.join(wrong[:3])}")


def _store(writer: DatasetWriter, films: list[Film], ticks: int) -> int:
    """Returns how many episodes are new."""
    rate = writer.meta.tick_rate
    before = {e.seed: e for e in writer.episodes}
    current = {film.number: film for film in films}
    outdated = _outdated(writer.path, before.values(), current)
    wanted = [seed for film in films for seed in film.pieces(rate, ticks)]
    plan = dict(writer.missing(wanted, outdated))
    fresh = 0
    with Progress(console=Console(stderr=True), disable=not plan) as bar:
        task = bar.add_task("reading videos", total=len(plan))
        for film in films:
            stored = _store_film(writer, film, film.pieces(rate, ticks), plan, lambda: bar.advance(task))
            fresh += len(stored - before.keys())
            if again := stored & outdated:
                typer.echo(
                    f"read again: {film.video.name} or its actions have changed ({len(again)} episodes)", err=True
                )
    for seed in outdated - {*wanted}:
        writer.remove(before[seed])
    if left := [seed for seed in before if film_of(seed) not in current]:
        typer.echo(f"kept: {len(left)} episodes of films that are gone, or left out now", err=True)
    return fresh


def _outdated(path: Path, episodes: Iterable[EpisodeInfo], current: Mapping[int, Film]) -> set[int]:
    """Seeds of those that were made when the film or its actions had another content."""
    dataset = Dataset.open(path)

    def digest(episode: EpisodeInfo) -> str | None:
        try:
            return str(dataset.column(episode, DIGEST)[0])
        except (DatasetError, UnknownNameError):
            return None

    known = (e for e in episodes if film_of(e.seed) in current)
    return {e.seed for e in known if digest(e) != current[film_of(e.seed)].digest}


def _store_film(
    writer: DatasetWriter, film: Film, pieces: Mapping[int, int], plan: Mapping[int, Split], told: Callable[[], None]
) -> set[int]:
    """Stores those of its pieces that are in `plan`; returns the seeds of those that could be."""
    meta, stored = writer.meta, set[int]()
    last = max((seed for seed in pieces if seed in plan), default=-1)
    steps = play_film(film, meta.controls, meta.frame_size, meta.tick_rate)
    for seed, length in pieces.items():
        if seed > last:
            break
        piece = islice(steps, length)
        try:
            if seed not in plan:
                deque(piece, maxlen=0)
                continue
            writer.add(write_episode(writer.path, meta, seed, plan[seed], piece))
        except DatasetError as error:
            typer.echo(f"left out from there on: {error}", err=True)
            break
        stored.add(seed)
        told()
    return stored
