"""The whole evaluation of a world on held-out play, as figures, pictures and a report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dreamcade.core.errors import BadInputError, DatasetError, MissingExtraError, UnknownNameError
from dreamcade.core.files import expect_writable, write_json
from dreamcade.dataset.reader import Dataset
from dreamcade.engine.engine import Engine
from dreamcade.evaluation import plots
from dreamcade.evaluation.closed_loop import Drive, drive_dream, drive_real, pilot_figures
from dreamcade.evaluation.criteria import judge
from dreamcade.evaluation.lpips import LPIPS
from dreamcade.evaluation.machine import machine_name
from dreamcade.evaluation.metrics import Progress, mean_interval
from dreamcade.evaluation.report import write_report
from dreamcade.evaluation.rollouts import CURVE, HORIZONS, SOURCES, OpenLoop, measure_open_loop
from dreamcade.evaluation.steering import TICKS, SteerTry, steer_dream, steer_real
from dreamcade.evaluation.strips import contact_sheet, save_picture
from dreamcade.evaluation.windows import anywhere, choose_windows, driving
from dreamcade.games.registry import make_game
from dreamcade.world.world import World

_REAL_SEED = 7_000_000_000
"""Tracks of the real game from here on: no recording comes near."""


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """How much is measured. `starts` are the pilot's, in the dream; `tracks` its drives in the real game."""

    windows: int = 48
    steer_starts: int = 40
    steer_tracks: int = 12
    starts: int = 12
    tracks: int = 10
    pilot_seconds: float = 60.0
    quick: bool = False

    def __post_init__(self) -> None:
        if min(self.windows, self.steer_starts, self.starts) < 1 or min(self.tracks, self.steer_tracks) < 0:
            raise BadInputError(f"windows and starts must be at least 1, tracks at least 0; got {self}")


QUICK = EvaluationPlan(windows=8, steer_starts=8, steer_tracks=2, starts=4, tracks=2, pilot_seconds=10.0, quick=True)


@dataclass(slots=True)
class Evidence:
    """Everything that was measured, before it becomes figures. `notes` says what could not be."""

    open_loop: OpenLoop
    steer: list[SteerTry] = field(default_factory=list)
    steer_real: list[SteerTry] = field(default_factory=list)
    drives: list[Drive] = field(default_factory=list)
    drives_real: list[Drive] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def evaluate_world(
    world: World, dataset: Dataset, report_dir: Path, *, plan: EvaluationPlan | None = None, seed: int = 0,
    device: str = "auto", sampling_steps: int | None = None, progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Measures `world` on the held-out episodes of `dataset` and writes report.html, figures.json and PNG strips.

    Returns the figures (the JSON's keys). Raises `BadInputError` when the dataset was not recorded with this world's
    controls and frame size, `DatasetError` when it has no held-out driving.
    """
    plan = plan or EvaluationPlan()
    progress = progress or (lambda what, done, total: None)
    _check_fit(world, dataset)
    expect_writable(report_dir / "figures.json")
    began = time.perf_counter()
    engine = Engine(world, device=device, sampling_steps=sampling_steps)
    evidence = _measure(engine, dataset, plan, seed, progress)
    figures: dict[str, Any] = {
        "world": world.manifest.name, "quick": plan.quick, "seed": seed, "sampling_steps": engine.sampling_steps,
        "windows": len(evidence.open_loop.episodes), "heldout_episodes": len(dataset.episodes("heldout")),
        "machine": machine_name(engine.device), "dtype": str(engine.dtype).removeprefix("torch."),
        "seconds": round(time.perf_counter() - began, 1),
        **open_loop_figures(evidence.open_loop), **closed_loop_figures(evidence), "notes": evidence.notes,
    }  # fmt: skip
    criteria = judge(figures)
    figures["verdicts"] = {c.title: c.passed for c in criteria}
    sheets = _sheets(evidence)
    for i, sheet in enumerate(sheets.values()):
        save_picture(sheet, report_dir / f"strip-{i}.png")
    write_json(report_dir / "figures.json", figures)
    write_report(report_dir / "report.html", figures, criteria, _plots(evidence), sheets)
    return figures


def _check_fit(world: World, dataset: Dataset) -> None:
    pairs = {
        "frame size": (world.frame_size, tuple(dataset.meta.frame_size)),
        "controls": (world.controls.names, dataset.meta.controls.names),
        "tick rate": (world.tick_rate, dataset.meta.tick_rate),
    }
    for what, (ours, theirs) in pairs.items():
        if ours != theirs:
            raise BadInputError(f"the dataset does not fit the world: its {what} is {theirs}, the world's {ours}")


def _measure(engine: Engine, dataset: Dataset, plan: EvaluationPlan, seed: int, progress: Progress) -> Evidence:
    windows = choose_windows(dataset, plan.windows, CURVE[-1], seed, driving() if _drives(dataset) else anywhere)
    evidence = Evidence(measure_open_loop(engine, dataset, windows, LPIPS.load(), seed=seed, progress=progress))
    with _noted(evidence):
        # A car that hardly rolls turns too little in eight ticks to judge anything; one that slides does not answer.
        steer = choose_windows(dataset, plan.steer_starts, TICKS, seed + 1, driving(12.0, 60.0, 2, 0.8))
        evidence.steer = steer_dream(engine, dataset, steer, seed=seed, progress=progress)
    with _noted(evidence):
        starts = choose_windows(dataset, plan.starts, 1, seed + 2, driving(8.0, 45.0, 4, 0.35))
        evidence.drives = drive_dream(engine, dataset, starts, seconds=plan.pilot_seconds, seed=seed, progress=progress)
    with _noted(evidence):
        _measure_game(engine.world, plan, seed, progress, evidence)
    return evidence


@contextmanager
def _noted(evidence: Evidence) -> Iterator[None]:
    """Worlds of other games have no wheel, no road, or no game at hand: that is noted, and the rest still stands."""
    try:
        yield
    except (MissingExtraError, UnknownNameError, BadInputError, DatasetError) as error:
        evidence.notes.append(f"Not measured: {error}")


def _drives(dataset: Dataset) -> bool:
    first = dataset.episodes("heldout")[:1]
    return all({"speed", "on_track"} <= set(dataset.column_names(e)) for e in first)


def _measure_game(world: World, plan: EvaluationPlan, seed: int, progress: Progress, evidence: Evidence) -> None:
    if plan.steer_tracks:
        game = make_game(world.manifest.game, world.frame_size)
        seeds = [_REAL_SEED + 1000 * seed + i for i in range(plan.steer_tracks)]
        evidence.steer_real = steer_real(game, seeds, progress)
        game.close()
    if plan.tracks:
        seeds = [_REAL_SEED + 1000 * seed + 500 + i for i in range(plan.tracks)]
        evidence.drives_real = drive_real(
            world.manifest.game, world.frame_size, seeds, seconds=plan.pilot_seconds, progress=progress
        )


def open_loop_figures(open_loop: OpenLoop) -> dict[str, Any]:
    """`psnr_codec`, `lpips_codec`, and per horizon `psnr_h1`, `psnr_h1_persistence`, `psnr_h1_codec`, its interval."""
    figures: dict[str, Any] = {
        "psnr_codec": float(open_loop.psnr["codec"].mean()), "lpips_codec": float(open_loop.lpips["codec"].mean()),
    }  # fmt: skip
    at = [CURVE.index(h) for h in HORIZONS]
    for measure, scores in (("psnr", {s: open_loop.psnr[s][:, at] for s in SOURCES}), ("lpips", open_loop.lpips)):
        for i, horizon in enumerate(HORIZONS):
            key = f"{measure}_h{horizon}"
            for source in SOURCES:
                figures[key if source == "dream" else f"{key}_{source}"] = float(scores[source][:, i].mean())
            figures[f"{key}_interval"] = mean_interval(scores["dream"][:, i], open_loop.episodes)
    return figures


def closed_loop_figures(evidence: Evidence) -> dict[str, Any]:
    """Steering and pilot, in the dream and (ending in `_real`) in the game; None for what was not measured."""
    figures: dict[str, Any] = {"pilot_limit": None}
    for suffix, tries in (("", evidence.steer), ("_real", evidence.steer_real)):
        figures["steer_response" + suffix] = float(np.mean([t.answered for t in tries])) if tries else None
        figures["steer_response_tries" + suffix] = len(tries)
    for suffix, drives in (("", evidence.drives), ("_real", evidence.drives_real)):
        empty = {f"pilot_seconds_median{suffix}": None, f"pilot_steer_share{suffix}": None, f"pilot_starts{suffix}": 0}
        figures.update(pilot_figures(drives, suffix) if drives else empty)
    if evidence.drives:
        figures["pilot_limit"] = evidence.drives[0].limit / evidence.drives[0].tick_rate
        figures["pilot_seconds"] = [round(d.seconds, 2) for d in evidence.drives]
    return figures


def _plots(evidence: Evidence) -> dict[str, bytes]:
    made = {"Quality against the number of frames ahead; shaded: the middle half of the windows.":
            plots.plot_horizons(evidence.open_loop)}  # fmt: skip
    if evidence.steer:
        made["Steering: each point is one start; the lower right quarter is the right answer."] = plots.plot_steering(
            evidence.steer, evidence.steer_real
        )
    if evidence.drives:
        made["The pilot sees only pictures; the same pilot drives both."] = plots.plot_survival(
            evidence.drives, evidence.drives_real
        )
        made["Long play under the pilot, one line per drive."] = plots.plot_long_play(
            evidence.drives, evidence.drives_real
        )
    return made


def _sheets(evidence: Evidence) -> dict[str, Image.Image]:
    columns = [f"{h} frame{'s' if h > 1 else ''} ahead" for h in HORIZONS]
    sheets = {}
    for i, (real, dreamed) in enumerate(evidence.open_loop.strips):
        name = f"Held-out window {i + 1} ({evidence.open_loop.episodes[i]}): real above dreamed."
        sheets[name] = contact_sheet([list(real), list(dreamed)], columns, ["real", "dream"])
    if evidence.steer:
        rows = [list(t.pictures) for t in evidence.steer[:3]]
        sheets["Steering: eight ticks of left, straight and right from one start."] = contact_sheet(
            rows, ["left", "straight", "right"], [f"start {i + 1}" for i in range(len(rows))]
        )
    sheets.update(_drive_sheets(evidence.drives, "dream"))
    sheets.update(_drive_sheets(evidence.drives_real[:1], "game"))
    return sheets


def _drive_sheets(drives: Sequence[Drive], where: str) -> dict[str, Image.Image]:
    sheets = {}
    for i, drive in enumerate(d for d in drives if d.stills):
        columns = [f"{seconds:.0f} s" for seconds, _ in drive.stills]
        row = [picture for _, picture in drive.stills]
        caption = f"The pilot's drive {i + 1} in the {where}, {drive.seconds:.0f} s."
        sheets[caption] = contact_sheet([row], columns, [where], 220)
    return sheets
