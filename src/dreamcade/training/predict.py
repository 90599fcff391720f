"""A world and recordings of its game → the world with a predictor of actions, and what its card says of it."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dreamcade.core.action_grid import ActionGrid
from dreamcade.core.controls import Controls
from dreamcade.core.errors import BadInputError
from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation.hit_rates import HitRates
from dreamcade.evaluation.metrics import Progress
from dreamcade.training.action_levels import Trial, choose_levels
from dreamcade.training.predictor_trainer import PredictorSettings, measure_predictor, train_predictor
from dreamcade.world import World
from dreamcade.world.world import check_target

PREDICTOR_CARD = ("predictor", "predictor training")
"""Sections of a card: hit rates on held-out play, and how they were come by."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """A world with a new predictor, not saved yet; `figures` are what was measured, as JSON, `lines` as text."""

    world: World
    figures: Mapping[str, Any]
    lines: tuple[str, ...]


def make_predictor(
    world: World, dataset: Dataset, settings: PredictorSettings, levels: tuple[int, ...] | None, device: torch.device,
    progress: Progress,
) -> Predicted:  # fmt: skip
    """Chooses a grid, unless `levels` are given, learns from the training episodes and measures on the held-out ones.

    Raises `BadInputError` where the recordings are of another game, or of another size while a grid is to be chosen.
    """
    _expect_fit(world, dataset, levels is None)
    began = time.monotonic()
    trials: list[Trial] = []
    if levels is None:
        levels, trials = choose_levels(world, dataset, device, seed=settings.seed, progress=progress)
    predictor = train_predictor(dataset, levels, settings, device, progress)
    rates = measure_predictor(predictor, dataset, progress)
    minutes = (time.monotonic() - began) / 60
    rows = [rate.row(play) for play, rate in rates.items()]
    facts = _facts(world, dataset, settings, levels, predictor.config.vocabulary, minutes)
    card = {**world.manifest.card, **dict(zip(PREDICTOR_CARD, (rows, facts), strict=True))}
    made = dataclasses.replace(world, manifest=dataclasses.replace(world.manifest, card=card))
    figures = {"levels": dict(zip(world.controls.names, levels, strict=True)), "training": facts,
               "settings": settings.to_json(), "hit rates": {play: _plain(rate) for play, rate in rates.items()},
               "grids tried": [trial.to_json() for trial in trials]}  # fmt: skip
    lines = (f"levels: {facts['levels']}", *(", ".join(f"{k} {v}" for k, v in row.items()) for row in rows))
    return Predicted(made.with_predictor(predictor), figures, lines)


def parse_levels(text: str, controls: Controls) -> tuple[int, ...]:
    """`64,2,2` → levels of every control. Raises `BadInputError`."""
    wanted = f"--levels must be {controls.size} whole numbers, one for each of {', '.join(controls.names)}; got {text}"
    try:
        levels = ActionGrid(tuple(int(part) for part in text.split(","))).levels
    except (ValueError, BadInputError) as error:
        raise BadInputError(wanted) from error
    if len(levels) != controls.size:
        raise BadInputError(wanted)
    return levels


def target_folder(name: str, world: World, out: Path | None) -> Path:
    """Where the world is saved: `out`, or the folder that it was asked for by. Raises `BadInputError`."""
    if out is None:
        out = Path(name)
        if world.folder is None or not out.is_dir() or out.resolve() != world.folder.resolve():
            raise BadInputError(f"{name} is no folder of yours; name one for the new world with --out")
    check_target(out)
    return out


def _expect_fit(world: World, dataset: Dataset, pictures: bool) -> None:
    ours, theirs = world.controls.names, dataset.meta.controls.names
    if ours != theirs:
        raise BadInputError(
            f"the world has the controls {', '.join(ours)}, the recordings {', '.join(theirs)}; "
            "train from recordings of this world's game"
        )
    (width, height), (w, h) = world.frame_size, dataset.meta.frame_size
    if pictures and (width, height) != (w, h):
        raise BadInputError(
            f"to choose a grid, recordings must be {width}x{height}, as the world is; got {w}x{h}: "
            f"record with --size {width}x{height}, or give --levels"
        )


def _facts(
    world: World, dataset: Dataset, settings: PredictorSettings, levels: tuple[int, ...], vocabulary: int,
    minutes: float,
) -> dict[str, Any]:  # fmt: skip
    return {
        "levels": ", ".join(f"{name} {n}" for name, n in zip(world.controls.names, levels, strict=True)),
        "vocabulary": vocabulary,
        "frames": sum(episode.length for episode in dataset.episodes("train")),
        "steps": settings.steps,
        "minutes": round(minutes, 1),
        "seed": settings.seed,
    }


def _plain(rate: HitRates) -> dict[str, Any]:
    """As JSON, which knows no NaN."""

    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        name: [number(v) for v in value] if isinstance(value, tuple) else number(value)
        for name, value in dataclasses.asdict(rate).items()
    }
