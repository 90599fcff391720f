"""The pilot at the wheel, in the dream and in the real game: how long the road lasts, and how alive the drive is."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from dreamcade.core.types import ActionVector, Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.engine.engine import Engine
from dreamcade.engine.session import Session
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.pilot import Pilot
from dreamcade.evaluation.rollouts import batch_size
from dreamcade.evaluation.windows import Window
from dreamcade.games.base import Game
from dreamcade.games.registry import make_game

STEERING = 0.1
"""|steer| above this counts as steering."""
BEND_SECONDS = 0.3
"""Steering one way for at least so long is a bend."""
_STILL_EVERY_SECONDS = 10.0
_SUBSAMPLE = 8


@dataclass(slots=True)
class Drive:
    """What one drive was like. `steer` holds the wheel of every tick; `change` the mean absolute difference of
    neighbouring frames (0…255); `brightness` and `contrast` (deviation) of every frame; `stills` (seconds, picture).
    """

    tick_rate: float
    limit: int
    survived: bool = False
    steer: list[float] = field(default_factory=list)
    change: list[float] = field(default_factory=list)
    brightness: list[float] = field(default_factory=list)
    contrast: list[float] = field(default_factory=list)
    stills: list[tuple[float, Pixels]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Until the road was lost, or the whole drive."""
        return len(self.steer) / self.tick_rate

    @property
    def bends(self) -> int:
        """Stretches of at least `BEND_SECONDS` of steering to one side."""
        sides = np.sign(np.where(np.abs(self.steer) > STEERING, self.steer, 0.0))
        edges = np.flatnonzero(np.diff(np.concatenate([[np.nan], sides, [np.nan]])) != 0)
        lengths = [end - start for start, end in pairwise(edges) if sides[start]]
        return sum(bool(length >= BEND_SECONDS * self.tick_rate) for length in lengths)


class Chauffeur:
    """Gives one session's or game's frames to a pilot and keeps the log of the drive."""

    def __init__(self, pilot: Pilot, tick_rate: float, limit: int, stills: bool) -> None:
        self.pilot = pilot
        self.drive = Drive(tick_rate, limit)
        self._stills = stills
        self._previous: Pixels | None = None

    def act(self, pixels: Pixels) -> ActionVector | None:
        """The action for the newest frame, or None once the drive is over."""
        action = self.pilot.act(pixels)
        log = self.drive
        self._watch(pixels)
        if self.pilot.lost or len(log.steer) >= log.limit:
            log.survived = not self.pilot.lost
            return None
        log.steer.append(self.pilot.controls.decode(action)["steer"])
        return action

    def crashed(self) -> None:
        """The game itself ended the drive."""
        self.drive.survived = False

    def _watch(self, pixels: Pixels) -> None:
        log = self.drive
        small = pixels[::_SUBSAMPLE, ::_SUBSAMPLE].copy()
        if self._previous is not None:
            log.change.append(float(np.abs(small.astype(np.int16) - self._previous).mean()))
        self._previous = small
        log.brightness.append(float(small.mean()))
        log.contrast.append(float(small.std()))
        if self._stills and len(log.steer) % round(_STILL_EVERY_SECONDS * log.tick_rate) == 0:
            log.stills.append((log.seconds, pixels.copy()))


def drive_dream(
    engine: Engine, dataset: Dataset, windows: Sequence[Window], *, seconds: float, seed: int, progress: Progress
) -> list[Drive]:
    """One drive from each window's context, a few together as one batch."""
    world = engine.world
    limit = round(seconds * world.tick_rate)
    total, done, drives = limit * len(windows), 0, list[Drive]()
    for at in range(0, len(windows), batch := batch_size(engine)):
        drivers = {}
        for i, window in enumerate(windows[at : at + batch], at):
            frames, actions = window.context(dataset)
            session = engine.open_session(seed=seed + i, frames=frames, actions=actions)
            drivers[session] = Chauffeur(Pilot(world.controls), world.tick_rate, limit, stills=i < 3)
        for tick in _drive_together(engine, drivers):
            if tick % 25 == 0:
                progress("pilot in the dream", done + tick * len(drivers), total)
        done += limit * len(drivers)
        progress("pilot in the dream", done, total)
        drives += [driver.drive for driver in drivers.values()]
    return drives


def _drive_together(engine: Engine, drivers: dict[Session, Chauffeur]) -> Iterator[int]:
    """Steps all sessions until every drive is over, then closes them; yields the tick."""
    showing = {session: session.frame for session in drivers}
    tick = 0
    while showing:
        decided = {session: drivers[session].act(frame.pixels) for session, frame in showing.items()}
        showing = engine.step_many({session: action for session, action in decided.items() if action is not None})
        tick += 1
        yield tick
    for session in drivers:
        session.close()


def drive_game(game: Game, seed: int, seconds: float, stills: bool = False) -> Drive:
    """One drive in the real game, from the start that `seed` chooses."""
    limit = round(seconds * game.tick_rate)
    driver = Chauffeur(Pilot(game.controls), game.tick_rate, limit, stills)
    pixels = game.reset(seed)
    while (action := driver.act(pixels)) is not None:
        pixels, _, terminated, truncated = game.step(action)
        if terminated or truncated:
            driver.crashed()
            break
    return driver.drive


def drive_real(
    name: str, size: tuple[int, int], seeds: Sequence[int], *, seconds: float, progress: Progress
) -> list[Drive]:
    """Drives on several tracks of the game `name`, over all cores. Raises `MissingExtraError` where it is absent."""
    make_game(name, size).close()
    workers = min(len(seeds), os.cpu_count() or 1)
    context = multiprocessing.get_context("spawn")
    drives: dict[int, Drive] = {}
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        jobs = {pool.submit(_drive_track, name, size, seed, seconds, i == 0): i for i, seed in enumerate(seeds)}
        for job in as_completed(jobs):
            drives[jobs[job]] = job.result()
            progress("pilot in the real game", len(drives), len(seeds))
    return [drives[i] for i in sorted(drives)]


def _drive_track(name: str, size: tuple[int, int], seed: int, seconds: float, stills: bool) -> Drive:
    game = make_game(name, size)
    try:
        return drive_game(game, seed, seconds, stills)
    finally:
        game.close()


def pilot_figures(drives: Sequence[Drive], suffix: str = "") -> dict[str, float | int]:
    """The drives as JSON keys, each ending in `suffix`."""
    steer = np.concatenate([np.asarray(d.steer, np.float64) for d in drives])
    change = np.concatenate([np.asarray(d.change, np.float64) for d in drives])
    minutes = max(sum(d.seconds for d in drives) / 60, 1e-9)
    figures: dict[str, float | int] = {
        "pilot_seconds_median": float(np.median([d.seconds for d in drives])),
        "pilot_steer_share": float((np.abs(steer) > STEERING).mean()) if len(steer) else 0.0,
        f"pilot_reached_{round(drives[0].limit / drives[0].tick_rate)}s": sum(d.survived for d in drives),
        "pilot_starts": len(drives),
        "pilot_frame_difference": float(change.mean()) if len(change) else 0.0,
        "pilot_bends_per_minute": sum(d.bends for d in drives) / minutes,
    }
    return {name + suffix: value for name, value in figures.items()}
