"""The evaluation itself: a perfect copy of the game passes, and each kind of broken world is caught by its own axis."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from dreamcade.core.controls import Axis as Stick
from dreamcade.core.controls import Button, Controls
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.dataset.format import DatasetMeta
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.writer import DatasetWriter
from dreamcade.evaluation import features
from dreamcade.evaluation import twin as twin_module
from dreamcade.evaluation.axis import Axis
from dreamcade.evaluation.candidate import Play
from dreamcade.evaluation.evaluate import judge_candidate
from dreamcade.evaluation.pilots import judging
from dreamcade.evaluation.plan import EvaluationPlan
from dreamcade.evaluation.reading import ReaderTraining
from dreamcade.evaluation.twin import Twin
from dreamcade.evaluation.windows import Window
from dreamcade.games.recorder import record_episode

WIDTH, HEIGHT, WALL, FIGURE = 96, 64, 10, 10
CONTROLS = Controls((Stick("run"),), (Button("jump"),))


class Hall:
    """A real game of toy size: a figure runs between two walls and jumps. It can be recorded, replayed and broken."""

    name, controls, tick_rate, licence, size = "toy:hall", CONTROLS, 25.0, "CC0-1.0", (WIDTH, HEIGHT)

    def __init__(self) -> None:
        self.x, self.y, self.vx, self.vy = 40.0, 0.0, 0.0, 0.0

    def reset(self, seed: int) -> Pixels:
        self.x = float(np.random.default_rng(seed).integers(WALL, WIDTH - WALL - FIGURE))
        self.y = self.vx = self.vy = 0.0
        return self.draw()

    def step(self, action: ActionVector) -> tuple[Pixels, float, bool, bool]:
        run, jump = self.controls.validate(action)
        before = self.x
        self.x = float(np.clip(self.x + 3 * run, WALL, WIDTH - WALL - FIGURE))
        self.vx = self.x - before
        if self.y == 0 and jump:
            self.vy = 6.0
        self.y, self.vy = max(0.0, self.y + self.vy), self.vy - 1.5 if self.y + self.vy > 0 else 0.0
        return self.draw(), 0.0, False, False

    def state(self) -> Mapping[str, float]:
        return {"x": self.x, "y": self.y, "vx": self.vx}

    def draw(self) -> Pixels:
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        picture = np.stack([60 + rows, 90 + 0 * rows, 140 + columns // 2], -1).astype(np.uint8)
        picture[:, :WALL] = picture[:, -WALL:] = (70, 40, 20)
        picture[-8:] = (40, 120, 40)
        top = HEIGHT - 8 - FIGURE - round(self.y)
        picture[top : top + FIGURE, round(self.x) : round(self.x) + FIGURE] = (230, 60, 60)
        return picture

    def close(self) -> None:
        pass


class HallDriver:
    style = "run"

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.left, self.held = 0, np.zeros(2, np.float32)

    def reset(self, seed: int) -> Pixels | None:
        self.rng, self.left = np.random.default_rng([seed, 1]), 0
        return None

    def act(self, state: Mapping[str, float]) -> ActionVector:
        if self.left == 0:
            self.left = int(self.rng.integers(3, 12))
            self.held = np.array([self.rng.choice((-1, 0, 1)), self.rng.random() < 0.3], np.float32)
        self.left -= 1
        return self.held


SECONDS = 8.0
PLAN = EvaluationPlan(
    windows=24, pilot_seconds=SECONDS, long_frames=5200, reader=ReaderTraining(steps=160, samples=2000, batch=32)
)


@pytest.fixture(scope="module")
def hall_data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path: Path = tmp_path_factory.mktemp("hall") / "data"
    meta = DatasetMeta("toy:hall", Hall.controls, Hall.size, 25.0, "CC0-1.0", "a test", {"driver": "HallDriver"})
    writer = DatasetWriter(path, meta)
    for seed in range(14):
        writer.write(record_episode(Hall(), HallDriver(), seed, 200), "train" if seed < 6 else "heldout")
    return Dataset.open(path)


@pytest.fixture(autouse=True)
def _toy_game(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "SIZE", 96)  # pictures are no larger, and at 224 this takes five times as long
    monkeypatch.setattr(judging, "ENOUGH_SECONDS", SECONDS)
    monkeypatch.setattr(twin_module, "make_game", lambda name, size: Hall())
    monkeypatch.setattr(twin_module, "make_driver", lambda game: HallDriver())


class Frozen(Twin):
    """Shows its first frame for ever."""

    def advance(self, plays: Sequence[Play], actions: Sequence[ActionVector]) -> None:
        pass


class Shuffled(Twin):
    """Moves as the game does, but does the opposite of what it is told."""

    def advance(self, plays: Sequence[Play], actions: Sequence[ActionVector]) -> None:
        super().advance(plays, [np.array([-a[0], 1 - a[1]], np.float32) for a in actions])


class Fading(Twin):
    """Perfect, but its colours bleach, slowly."""

    def begin(self, windows: Sequence[Window], seed: int = 0) -> list[Play]:
        self.ticks = 0
        return super().begin(windows, seed)

    def advance(self, plays: Sequence[Play], actions: Sequence[ActionVector]) -> None:
        self.ticks += 1
        super().advance(plays, actions)

    def show(self, plays: Sequence[Play]) -> list[Pixels]:
        share = 1 - 0.9998**self.ticks
        return [(frame + share * (128 - frame.astype(float))).astype(np.uint8) for frame in super().show(plays)]


class Restless(Twin):
    """The game, but its figure runs to and fro where nobody touches it."""

    ticks = 0

    def advance(self, plays: Sequence[Play], actions: Sequence[ActionVector]) -> None:
        self.ticks += 1
        cause = np.array([1.0 if self.ticks % 16 < 8 else -1.0, 0], np.float32)
        super().advance(plays, [a if a.any() else cause for a in actions])


def judged(candidate: Twin, data: Dataset, *axes: str, plan: EvaluationPlan = PLAN) -> dict[str, Axis]:
    evaluation = judge_candidate(candidate, data, plan=plan, axes=axes)
    assert not evaluation.notes
    return {axis.name: axis for axis in evaluation.axes}


def passed(axis: Axis, words: str) -> bool | None:
    [line] = [c for c in axis.criteria if words in c.title]
    return line.passed


def test_a_perfect_copy_scores_the_floor(hall_data: Dataset) -> None:
    axes = judged(Twin(hall_data), hall_data, "frames", "distribution", "control", "long_play")
    figures = axes["frames"].figures
    for horizon in figures["horizons"]:
        # The recording is compressed and the copy is not: that is all that they differ by.
        assert figures[f"psnr_h{horizon}"] > 35
        assert figures[f"psnr_h{horizon}"] > figures[f"psnr_h{horizon}_persistence"]
        assert figures[f"ssim_h{horizon}"] > 0.97
    assert figures["psnr_h16"] > figures["psnr_h16_persistence"] + 5
    assert passed(axes["frames"], "LPIPS over persistence") is True
    [line] = [line for line in axes["frames"].criteria if line.title == "Next frame, LPIPS"]
    beside = f"persistence {figures['lpips_next_persistence']:.3f}, codec floor {figures['lpips_next_codec']:.3f}"
    assert line.value.endswith(beside)
    assert beside in axes["frames"].verdict
    assert axes["control"].figures["control_ratio"] == pytest.approx(1.0, abs=0.1)
    assert axes["control"].figures["psnr_true_over_shuffled"] > 10
    assert axes["long_play"].figures["drift_brightness"] < 0.02
    # Through a real game's "codec" frames come back as they are, which compression of the recording does not.
    failed = [line.title for axis in axes.values() for line in axis.criteria if not line.passed]
    # Nor does the floor of pictures as much alike as a toy game's.
    assert failed == ["Next frame below the codec floor", "Frames, first stretch: distance over the floor"]


def test_a_frozen_world_is_caught_by_its_frames_and_their_differences(hall_data: Dataset) -> None:
    axes = judged(Frozen(hall_data), hall_data, "frames", "distribution", "long_play")
    frames = axes["frames"]
    assert frames.figures["psnr_next"] <= frames.figures["psnr_next_persistence"]
    assert passed(frames, "Next frame above persistence") is False
    assert passed(frames, "16 ahead above persistence") is False
    assert passed(frames, "LPIPS over persistence") is False
    assert passed(axes["distribution"], "Frame differences") is False
    assert passed(axes["long_play"], "20 ticks apart, last fifth") is False
    assert passed(axes["long_play"], "Brightness") is True, "which is why it is not enough"


def test_a_world_that_takes_other_actions_is_caught_by_control(hall_data: Dataset) -> None:
    axes = judged(Shuffled(hall_data), hall_data, "control")
    assert axes["control"].figures["control_ratio"] < 0.5
    assert passed(axes["control"], "Least of all controls") is False
    assert passed(axes["control"], "Actions named") is False
    assert passed(axes["control"], "True actions predict better") is False


def test_a_world_that_fades_is_caught_by_long_play_alone(hall_data: Dataset) -> None:
    axes = judged(Fading(hall_data), hall_data, "frames", "long_play")
    assert passed(axes["frames"], "Next frame above persistence") is True
    assert passed(axes["long_play"], "Contrast of the last fifth") is False


@pytest.mark.parametrize(("candidate", "rests", "moves"), [(Twin, True, True), (Restless, False, True),
                                                           (Frozen, True, False)])  # fmt: skip
def test_any_game_has_a_rule_and_a_pilot(candidate: type[Twin], rests: bool, moves: bool, hall_data: Dataset) -> None:
    plan = dataclasses.replace(PLAN, reader=ReaderTraining(steps=3, samples=64, batch=8))
    axes = judged(candidate(hall_data), hall_data, "rules", "closed_loop", plan=plan)
    assert passed(axes["rules"], "movement without cause") is rests
    assert passed(axes["closed_loop"], "movement of the picture") is moves
    assert passed(axes["closed_loop"], "variety of the picture") is moves


def test_another_version_of_the_game_is_noticed(hall_data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hall, "draw", lambda hall: np.zeros((64, 96, 3), np.uint8))
    evaluation = judge_candidate(Twin(hall_data), hall_data, plan=PLAN, axes=("frames",))
    assert not evaluation.axes
    assert "shows something else" in evaluation.notes[0]
