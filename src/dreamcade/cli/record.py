"""`dreamcade record`: a scripted driver plays a real game, and the play becomes a dataset."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from dreamcade.cli.record_human import record_human
from dreamcade.cli.record_videos import record_videos
from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.core.files import write_json
from dreamcade.dataset.format import DatasetMeta, Split
from dreamcade.dataset.pool import available_cores, write_parallel
from dreamcade.dataset.writer import DatasetWriter
from dreamcade.games.recorder import PlaySource
from dreamcade.games.registry import game_names, make_driver, make_game

SIZE_STEP = 8
"""Frames that a codec can learn have sides of so many pixels, or a multiple of it."""

POLICIES = ("driver", "human")
EPISODES = 24
SEED_STRIDE = 1_000_000
"""Episode i of recording S has seed S · stride + i: recordings with different seeds share no track."""


def record(
    game: Annotated[str, typer.Argument(help="The game, for example gym:CarRacing-v3.")],
    out: Annotated[Path, typer.Option(help="Folder of the dataset; an unfinished one is taken up.")],
    episodes: Annotated[
        int | None,
        typer.Option(help="How many episodes the dataset shall have, 24 unless given; not with --policy human."),
    ] = None,
    size: Annotated[str | None, typer.Option(help="Frame size, WIDTHxHEIGHT; the game's own by default.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed: same recording.")] = 0,
    ticks: Annotated[int, typer.Option(help="Length of an episode in ticks; videos are cut into such.")] = 1000,
    workers: Annotated[int | None, typer.Option(help="Processes; one per core unless given.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    policy: Annotated[
        str, typer.Option(help="Who plays: the game's own driver, or human: you, in the browser.")
    ] = "driver",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page, with --policy human.")] = 8710,
    controls: Annotated[
        Path | None, typer.Option(help="JSON file that names the controls of a gym: game; see docs/your-own-game.md.")
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the page's address, open nothing, with --policy human.")
    ] = False,
) -> None:
    """Record a real game: a scripted driver that covers it plays, or (--policy human) you do, in the browser.

    Example: dreamcade record gym:CarRacing-v3 --episodes 24 --size 720x480 --seed 0 --out data/racing
    """
    frame_size = parse_size(size) if size else None
    for name, value in (("episodes", episodes), ("ticks", ticks), ("workers", workers)):
        if value is not None and value < 1:
            raise BadInputError(f"--{name} must be 1 or more; got {value}")
    if policy not in POLICIES:
        raise UnknownNameError("policy", policy, POLICIES)
    if seed < 0 or (episodes or 0) > SEED_STRIDE:
        raise BadInputError(f"--seed must be 0 or more and --episodes at most {SEED_STRIDE}; got {seed} and {episodes}")
    for name, value in (("episodes", episodes), ("workers", workers)):
        if policy == "human" and value is not None:
            raise BadInputError(f"--{name} is for a driver's play, got {value} with --policy human; leave it out: you "
                                "play until Ctrl-C")  # fmt: skip
    try:
        if game.startswith("video:"):
            began = time.perf_counter()
            writer, fresh = record_videos(Path(game.removeprefix("video:")), out, frame_size, controls, ticks)
            _report(writer, fresh, time.perf_counter() - began, json)
            return
        meta = _meta(game, frame_size, controls, seed, ticks, policy)
        if policy == "human":
            began = time.perf_counter()
            writer, fresh = record_human(out, meta, controls, seed * SEED_STRIDE, port, not no_browser)
            _report(writer, fresh, time.perf_counter() - began, json)
            return
        writer = DatasetWriter(out, meta)
        plan = writer.missing([seed * SEED_STRIDE + i for i in range(episodes or EPISODES)])
        started, stored = time.perf_counter(), len(writer.episodes)
        if plan:
            _run(writer, plan, PlaySource(game, meta.frame_size, ticks, controls), workers or available_cores(), ticks)
        _report(writer, len(writer.episodes) - stored, time.perf_counter() - started, json)
    except OSError as error:
        raise BadInputError(f"cannot write to {out} ({error}); choose another folder with --out") from error


def parse_size(text: str) -> tuple[int, int]:
    """`720x480` → (720, 480). Raises `BadInputError` for anything else."""
    match = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text.strip())
    if not match:
        raise BadInputError(f"--size must be WIDTHxHEIGHT, for example 720x480; got {text!r}")
    width, height = int(match[1]), int(match[2])
    if width % SIZE_STEP or height % SIZE_STEP or not width * height:
        raise BadInputError(f"--size must be multiples of {SIZE_STEP}, or no codec could learn it; got {text!r}")
    return width, height


def _meta(
    name: str, size: tuple[int, int] | None, controls: Path | None, seed: int, ticks: int, policy: str
) -> DatasetMeta:
    from dreamcade.codec.config import comfortable_size  # the room of codecs loads PyTorch, which no help needs

    game = make_game(name, size, controls)
    recording: dict[str, str | int | float] = {"seed": seed, "ticks": ticks}
    # Only a driver's play can be repeated from its seed.
    recording |= {"policy": "human"} if policy == "human" else {"driver": type(make_driver(game)).__name__}
    # A game without an adapter of its own may draw any size; this is one near it that suits a codec.
    chosen = size or (game.size if name in game_names() else comfortable_size(*game.size))
    meta = DatasetMeta(game.name, game.controls, chosen, game.tick_rate, game.licence, "dreamcade record", recording)
    game.close()
    return meta


def _run(writer: DatasetWriter, plan: list[tuple[int, Split]], source: PlaySource, workers: int, ticks: int) -> None:
    columns = (
        TextColumn("recording"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} frames, {task.fields[rate]:.0f}/s, left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("recording", total=len(plan) * ticks, rate=0.0)
        write_parallel(writer, plan, source, workers, _advance(bar, task))


def _advance(bar: Progress, task: TaskID) -> Callable[[int, int], None]:
    started = time.perf_counter()

    def advance(ticks: int, stored: int) -> None:
        bar.update(task, completed=ticks, rate=ticks / max(time.perf_counter() - started, 1e-3))

    return advance


def _report(writer: DatasetWriter, fresh: int, seconds: float, file: Path | None) -> None:
    episodes = writer.episodes
    frames = sum(e.length for e in episodes)
    held_out = sum(e.split == "heldout" for e in episodes)
    size = sum(e.video_bytes + e.columns_bytes for e in episodes)
    typer.echo(
        f"{writer.path}: {len(episodes)} episodes ({fresh} new, {held_out} held out), {frames} frames, "
        f"{frames / writer.meta.tick_rate / 60:.1f} minutes of play, {size / 1e6:.1f} MB; {seconds:.0f} s"
    )
    if file:
        figures = {"episodes": len(episodes), "new_episodes": fresh, "heldout_episodes": held_out, "frames": frames}
        write_json(file, {**figures, "bytes": size, "seconds": round(seconds, 3)})
