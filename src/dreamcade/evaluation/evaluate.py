"""The whole evaluation of a world on held-out play, axis by axis, as figures, pictures and a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dreamcade.core.errors import (
    BadInputError,
    CheckpointError,
    DatasetError,
    GameError,
    GameNotInstalledError,
    MissingExtraError,
    UnknownNameError,
)
from dreamcade.core.files import expect_writable, write_json, write_whole
from dreamcade.dataset.reader import Dataset
from dreamcade.engine.engine import Engine
from dreamcade.evaluation.axis import Axis, number
from dreamcade.evaluation.candidate import Candidate, Dream
from dreamcade.evaluation.closed_loop import MakePilot, closed_loop_axis, play_pilot, recorded_plays
from dreamcade.evaluation.control import TICKS, control_axis, watch
from dreamcade.evaluation.distribution import distribution_axis
from dreamcade.evaluation.frames import frames_axis
from dreamcade.evaluation.long_play import long_play_axis, play_long
from dreamcade.evaluation.machine import machine_name
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.pilots.judging import Judge, judge_any, judge_platforming, judge_racing, judge_walking
from dreamcade.evaluation.pilots.platforming import PlatformPilot
from dreamcade.evaluation.pilots.racing import RacingPilot
from dreamcade.evaluation.pilots.walking import WalkingPilot
from dreamcade.evaluation.pilots.wandering import WanderingPilot
from dreamcade.evaluation.plan import EvaluationPlan
from dreamcade.evaluation.reading import TRUSTED, Reader, kept_reader, told
from dreamcade.evaluation.report import write_report
from dreamcade.evaluation.rollouts import longest_horizon, roll_out
from dreamcade.evaluation.rules.platforming import platform_rules
from dreamcade.evaluation.rules.racing import racing_rules
from dreamcade.evaluation.rules.resting import any_rules
from dreamcade.evaluation.rules.setting import Setting
from dreamcade.evaluation.rules.walking import walking_rules
from dreamcade.evaluation.strips import save_picture
from dreamcade.evaluation.subjects import Subject, eligible_windows, reading_columns, subject_of
from dreamcade.evaluation.twin import Twin
from dreamcade.evaluation.windows import Eligible, anywhere, choose_windows, driving
from dreamcade.world.world import World

AXES = ("frames", "distribution", "control", "rules", "closed_loop", "long_play")
RULES: dict[str, Callable[[Setting], Axis]] = {
    "racing": racing_rules, "platformer": platform_rules, "doom": walking_rules,
}  # fmt: skip
UNMEASURABLE = (
    MissingExtraError, UnknownNameError, BadInputError, CheckpointError, DatasetError, GameError,
    GameNotInstalledError,
)  # fmt: skip


@dataclass(slots=True)
class Evaluation:
    """What is measured with what, and what has come of it. `reader` and `twin` are made when they are first needed."""

    candidate: Candidate
    dataset: Dataset
    subject: Subject
    plan: EvaluationPlan
    seed: int
    progress: Progress
    axes: list[Axis] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """Names of the axes that are still to be measured."""
    _reader: Reader | None = None
    _told: dict[str, float] = field(default_factory=dict)
    _twin: Twin | None = None

    @property
    def reader(self) -> Reader:
        """The network that reads actions and state from frames."""
        if self._reader is None:
            columns = reading_columns(self.dataset, self.subject)
            self._reader = kept_reader(
                self.dataset, columns, self.subject.angles, self.subject.choices, self.plan.reader, self.progress
            )
            self._told = told(self._reader, self.dataset, self.seed, self.progress)
        return self._reader

    @property
    def twin(self) -> Twin:
        """The real game at moments of the recording."""
        if self._twin is None:
            self._twin = Twin(self.dataset)
        return self._twin

    def run(self, names: tuple[str, ...], keep: Callable[[Evaluation], None]) -> None:
        """Measures the axes of these names; what cannot be measured is noted, and the rest still stands. `keep` is
        called whenever there is more to be kept."""
        steps = {
            ("frames", "distribution"): self._frames, ("control",): self._control, ("rules",): self._rules,
            ("closed_loop",): self._closed_loop, ("long_play",): self._long_play,
        }  # fmt: skip
        self.left = [name for name in AXES if name in names]
        try:
            for measured, step in steps.items():
                if any(name in names for name in measured):
                    with self._noted(measured[0]):
                        step(names)
                    self.left = [name for name in self.left if name not in measured]
                    keep(self)
        finally:
            if self._twin is not None:
                self._twin.close()

    @contextmanager
    def _noted(self, axis: str) -> Iterator[None]:
        try:
            yield
        except UNMEASURABLE as error:
            self.notes.append(f"{axis.replace('_', ' ')} not measured: {error}")

    def _frames(self, names: tuple[str, ...]) -> None:
        longest = longest_horizon(self.dataset)
        windows = choose_windows(self.dataset, self.plan.windows, longest, self.seed, eligible_windows(self.dataset))
        made = roll_out(self.candidate, self.dataset, windows, longest, seed=self.seed, progress=self.progress)
        self.axes.append(frames_axis(made, self.subject.targets, self.dataset.meta.tick_rate))
        if "distribution" in names:
            with self._noted("distribution"):
                self.axes.append(distribution_axis(made, self.progress))

    def _control(self, names: tuple[str, ...]) -> None:
        eligible = eligible_windows(self.dataset)
        windows = choose_windows(self.dataset, self.plan.windows, TICKS, self.seed + 10, eligible)
        watched = watch(self.candidate, self.dataset, windows, seed=self.seed, progress=self.progress)
        self.axes.append(control_axis(watched, self.reader, self.dataset.meta.controls, self.subject.targets))

    def _rules(self, names: tuple[str, ...]) -> None:
        twin, known = self._twin_if_any("rules"), self.subject.name in RULES
        if twin is None and not known:
            raise BadInputError(f"nobody has written down the rules of {self.dataset.meta.game}")
        reader = self.reader
        setting = Setting(self.candidate, twin, self.dataset, reader, self.plan, self.seed, self.progress, self._told)
        axis = RULES.get(self.subject.name, any_rules)(setting)
        if known:
            self._add_told(axis)
        self.axes.append(axis)

    def _add_told(self, axis: Axis) -> None:
        """What the network that reads the state is worth, beside what it has read."""
        axis.figures |= {f"told_{name}": value for name, value in self._told.items()}
        for name, value in self._told.items():
            axis.rows.append((f"Told of {name} in held-out play by the network, of 1", "", number(value)))
        if doubted := [name for name, value in self._told.items() if value < TRUSTED]:
            axis.notes.append(f"{', '.join(doubted)} cannot be read well enough from frames to judge anything by")

    def _twin_if_any(self, axis: str) -> Twin | None:
        try:
            self.twin.probe()
            return self.twin
        except UNMEASURABLE as error:
            self.notes.append(f"{axis.replace('_', ' ')}, the real game not measured: {error}")
            return None

    def _closed_loop(self, names: tuple[str, ...]) -> None:
        make, judge, eligible = self._pilot()
        windows = choose_windows(self.dataset, self.plan.starts, 1, self.seed + 2, eligible)
        sides: list[tuple[str, Candidate]] = [("pilot in the dream", self.candidate)]
        if (twin := self._twin_if_any("closed_loop")) is not None:
            sides.append(("pilot in the real game", twin))
        seconds = self.plan.pilot_seconds or self.subject.pilot_seconds
        drives = {}
        for what, side in sides:
            drives[what] = play_pilot(
                side, windows, make, seconds=seconds, tick_rate=self.dataset.meta.tick_rate,
                seed=self.seed, what=what, progress=self.progress,
            )  # fmt: skip
        seen = [self._told[name] for name in self.subject.pilot_sees if name in self._told]
        dream, real = drives["pilot in the dream"], drives.get("pilot in the real game", [])
        blind, beside = judge is judge_any, "game"
        if blind and not real:
            real, beside = recorded_plays(self.dataset, windows, seconds), "recording"
        self.axes.append(closed_loop_axis(dream, real, judge, sees=min(seen, default=1.0), blind=blind, beside=beside))

    def _pilot(self) -> tuple[MakePilot, Judge, Eligible]:
        controls, name = self.dataset.meta.controls, self.subject.name
        if name == "racing":
            return lambda play: RacingPilot(controls), judge_racing, driving(8.0, 45.0, 4, 0.35)
        if name == "platformer":
            return lambda play: PlatformPilot(controls, self.reader), judge_platforming, anywhere
        if name == "doom":
            return lambda play: WalkingPilot(controls, self.reader), judge_walking, anywhere
        rate = self.dataset.meta.tick_rate
        return lambda play: WanderingPilot(controls, rate, self.seed + play), judge_any, anywhere

    def _long_play(self, names: tuple[str, ...]) -> None:
        played = play_long(self.candidate, self.dataset, self.plan.long_frames, self.seed, self.progress)
        self.axes.append(long_play_axis(played, self.subject.targets, self.dataset.meta.tick_rate))


def evaluate_world(
    world: World, dataset: Dataset, report_dir: Path, *, plan: EvaluationPlan | None = None, seed: int = 0,
    device: str = "auto", sampling_steps: int | None = None, kernels: str = "auto", axes: tuple[str, ...] = AXES,
    progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Measures `world` on the held-out episodes of `dataset`; writes report.html, figures.json, PNG strips and a clip,
    after every axis: what is stopped keeps those that it has.

    Returns the figures (the JSON's keys). Raises `BadInputError` when the dataset was not recorded from this world's
    game, with its controls and frame size or an axis is unknown, `DatasetError` when it has no held-out play.
    """
    plan = plan or EvaluationPlan()
    _check(world, dataset, axes)
    expect_writable(report_dir / "figures.json")
    began = time.perf_counter()
    engine = Engine(world, device=device, sampling_steps=sampling_steps, kernels=kernels)
    setting: dict[str, Any] = {
        "world": world.manifest.name, "quick": plan.quick, "seed": seed, "sampling_steps": engine.sampling_steps,
        "heldout_episodes": len(dataset.episodes("heldout")), "machine": machine_name(engine.device),
        "dtype": str(engine.dtype).removeprefix("torch."), "path": engine.path,
    }  # fmt: skip

    figures: dict[str, Any] = {}

    def keep(evaluation: Evaluation) -> None:
        figures.update({**setting, "seconds": round(time.perf_counter() - began, 1), **figures_of(evaluation)})
        _write(report_dir, figures, evaluation.axes)

    dream = Dream(engine, dataset)
    judge_candidate(dream, dataset, plan=plan, seed=seed, axes=axes, progress=progress, keep=keep)
    return figures


def _write(folder: Path, figures: Mapping[str, Any], axes: Sequence[Axis]) -> None:
    for i, sheet in enumerate(sheet for axis in axes for sheet in axis.sheets.values()):
        save_picture(sheet, folder / f"strip-{i}.png")
    for axis in axes:
        for file, data in axis.files.items():
            write_whole(folder / file, data)
    write_json(folder / "figures.json", figures)
    write_report(folder / "report.html", figures, axes)


def judge_candidate(
    candidate: Candidate, dataset: Dataset, *, plan: EvaluationPlan, seed: int = 0, axes: tuple[str, ...] = AXES,
    progress: Progress | None = None, keep: Callable[[Evaluation], None] = lambda evaluation: None,
) -> Evaluation:  # fmt: skip
    """Measures anything that can go on from recorded play, along `axes`; `keep` is called after each of them. Raises
    `DatasetError` without such play."""
    if not dataset.episodes("heldout"):
        raise DatasetError("the dataset has no held-out episodes to evaluate on; record more episodes")
    subject = subject_of(dataset.meta.game)
    silent: Progress = lambda what, done, total: None  # noqa: E731
    evaluation = Evaluation(candidate, dataset, subject, plan, seed, progress or silent)
    evaluation.run(axes, keep)
    return evaluation


def figures_of(evaluation: Evaluation) -> dict[str, Any]:
    """Every axis's figures, its one-sentence verdict, and which lines hold (`verdicts`: true, false, or null)."""
    figures: dict[str, Any] = {}
    for axis in evaluation.axes:
        figures |= axis.figures
    figures["summary"] = {axis.name: axis.verdict for axis in evaluation.axes}
    figures["verdicts"] = {line.title: line.passed for axis in evaluation.axes for line in axis.criteria}
    figures["criteria"] = [
        {"axis": axis.name, "title": line.title, "value": line.value, "target": line.target, "holds": line.passed}
        for axis in evaluation.axes
        for line in axis.criteria
    ]
    figures["notes"] = evaluation.notes + [note for axis in evaluation.axes for note in axis.notes]
    if evaluation.left:
        figures["notes"].append(f"still to be measured: {', '.join(evaluation.left)}".replace("_", " "))
    return figures


def _check(world: World, dataset: Dataset, axes: tuple[str, ...]) -> None:
    for name in axes:
        if name not in AXES:
            raise UnknownNameError("axis", name, AXES)
    pairs = {
        "game": (world.manifest.game, dataset.meta.game),
        "frame size": (world.frame_size, tuple(dataset.meta.frame_size)),
        "controls": (world.controls.names, dataset.meta.controls.names),
        "tick rate": (world.tick_rate, dataset.meta.tick_rate),
    }
    for what, (ours, theirs) in pairs.items():
        if ours != theirs:
            raise BadInputError(f"the dataset does not fit the world: its {what} is {theirs}, the world's {ours}")
