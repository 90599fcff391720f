"""`dreamcade record video:DIR`: videos with actions beside them become a dataset."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import track

from dreamcade.codec.config import comfortable_size
from dreamcade.core.controls import Controls
from dreamcade.core.errors import BadInputError, DatasetError
from dreamcade.dataset.format import DatasetMeta
from dreamcade.dataset.videos import Film, check_film, common_rate, derive_controls, find_films, play_film
from dreamcade.dataset.writer import DatasetWriter, write_episode


def record_videos(folder: Path, out: Path, size: tuple[int, int] | None, controls_file: Path | None) -> DatasetWriter:
    """Stores every film that fits; says of each other one what is wrong, by file and time.

    Raises `DatasetError` where not one can be used.
    """
    films, wrong = find_films(folder, controls_file)
    given = _read_controls(controls_file)
    rate = given.pop("tick_rate", None)
    named = {"axes": [], "buttons": [], **given}
    controls = Controls.from_json(named) if given else derive_controls(films)
    checked = [(film, check_film(film, controls)) for film in films]
    wrong += [reason for _, reason in checked if reason]
    good = [film for film, reason in checked if reason is None]
    for line in wrong:
        typer.echo(f"left out: {line}", err=True)
    if not good:
        raise DatasetError(f"none of the videos in {folder} can be used: {'; '.join(wrong[:3])}")
    chosen = size or comfortable_size(*good[0].size)
    ticks = float(rate) if isinstance(rate, int | float) else common_rate(good)
    name = f"video:{folder.resolve().name}"
    meta = DatasetMeta(name, controls, chosen, ticks, "unknown", "dreamcade record", {"policy": "video"})
    writer = DatasetWriter(out, meta)
    _store(writer, good)
    return writer


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
    return data


def _store(writer: DatasetWriter, films: list[Film]) -> None:
    by_seed = {film.seed: film for film in films}
    meta = writer.meta
    plan = writer.missing(sorted(by_seed))
    for seed, split in track(plan, "reading videos", console=Console(stderr=True)):
        film = by_seed[seed]
        try:
            info = write_episode(
                writer.path, meta, seed, split, play_film(film, meta.controls, meta.frame_size, meta.tick_rate)
            )
        except DatasetError as error:
            typer.echo(f"left out: {error}", err=True)
            continue
        writer.add(info)
