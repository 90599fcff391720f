from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation.evaluate import evaluate_world
from dreamcade.evaluation.plan import EvaluationPlan
from dreamcade.evaluation.reading import ReaderTraining
from dreamcade.world import World

PLAN = EvaluationPlan(
    windows=3, steer_starts=2, steer_tracks=1, rule_starts=2, starts=2, pilot_seconds=0.4, long_frames=60,
    reader=ReaderTraining(steps=3, samples=64, batch=8), quick=True,
)  # fmt: skip


def test_figures_report_and_strips(racing_world: World, racing_data: Dataset, tmp_path: Path) -> None:
    stages: set[str] = set()
    figures = evaluate_world(
        racing_world, racing_data, tmp_path, plan=PLAN, device="cpu", progress=lambda what, *_: stages.add(what)
    )
    wanted = {f"{m}_h{h}{s}" for m in ("psnr", "ssim", "lpips") for h in (1, 4, 16, 64) for s in ("", "_persistence")}
    wanted |= {"psnr_next", "psnr_codec", "lpips_codec", "control_dream", "psnr_true_over_shuffled", "drift_contrast"}
    assert wanted <= set(figures)
    # An untrained world stands still, and so falls behind the road as persistence does.
    assert figures["psnr_h1"] > figures["psnr_h16"] + 1
    assert figures["psnr_h1_persistence"] > figures["psnr_h16_persistence"] + 1
    assert figures["psnr_h16_codec"] > figures["psnr_h16"] + 1
    low, high = figures["psnr_h16_interval"]
    assert low <= figures["psnr_h16"] <= high
    assert json.loads((tmp_path / "figures.json").read_text())["psnr_h1"] == figures["psnr_h1"]
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png") >= 2
    assert page.count("data:image/webp") >= 1
    assert "GameNGen" in page
    assert "http" not in page
    assert "toy-racing" in page
    assert (tmp_path / "strip-0.png").exists()
    assert {"open-loop rollouts", "next frames", "control", "long play"} <= stages


def test_what_cannot_be_measured_is_noted(racing_world: World, racing_data: Dataset, tmp_path: Path) -> None:
    figures = evaluate_world(
        racing_world, racing_data, tmp_path, plan=PLAN, device="cpu", axes=("rules", "closed_loop")
    )
    assert any(note.startswith("rules not measured") and "toy:road" in note for note in figures["notes"])
    assert list(figures["summary"]) == ["closed_loop"]


def test_any_game_has_a_pilot_which_is_judged_beside_the_same_keys_only(
    racing_world: World, racing_data: Dataset, tmp_path: Path
) -> None:
    plan = dataclasses.replace(PLAN, starts=12, pilot_seconds=2.0)
    figures = evaluate_world(racing_world, racing_data, tmp_path, plan=plan, device="cpu", axes=("closed_loop",))
    assert any("closed loop, the real game not measured" in note for note in figures["notes"])
    assert not figures["pilot_same_play"]
    assert figures["pilot_frame_difference_real"] > 0, "of the recording"
    assert "in brackets the recording" in figures["summary"]["closed_loop"]
    assert {line["holds"] for line in figures["criteria"]} == {None}


def test_one_axis_alone(racing_world: World, racing_data: Dataset, tmp_path: Path) -> None:
    figures = evaluate_world(racing_world, racing_data, tmp_path, plan=PLAN, device="cpu", axes=("long_play",))
    assert list(figures["summary"]) == ["long_play"]
    with pytest.raises(UnknownNameError, match="did you mean 'rules'"):
        evaluate_world(racing_world, racing_data, tmp_path, plan=PLAN, axes=("rule",))


def test_what_is_stopped_keeps_the_axes_that_it_has(racing_world: World, racing_data: Dataset, tmp_path: Path) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if "long" in what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_world(
            racing_world, racing_data, tmp_path, plan=PLAN, axes=("frames", "distribution", "long_play"), progress=stop
        )
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert set(figures["summary"]) == {"frames", "distribution"}
    assert figures["notes"][-1] == "still to be measured: long play"
    assert "still to be measured: long play" in (tmp_path / "report.html").read_text()


def test_same_seed_same_figures(racing_world: World, racing_data: Dataset, tmp_path: Path) -> None:
    axes = ("frames", "control")
    one, two = (
        evaluate_world(racing_world, racing_data, tmp_path, plan=PLAN, device="cpu", seed=5, axes=axes) for _ in "ab"
    )
    assert {**one, "seconds": 0} == {**two, "seconds": 0}


def test_dataset_of_another_game(tiny_world: World, racing_data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="its game is toy:road, the world's toy:square"):
        evaluate_world(tiny_world, racing_data, tmp_path, plan=PLAN)


def test_dataset_recorded_at_another_size(racing_world: World, racing_data: Dataset, tmp_path: Path) -> None:
    other = dataclasses.replace(racing_data.meta, frame_size=(64, 48))
    with pytest.raises(BadInputError, match=r"its frame size is \(64, 48\)"):
        evaluate_world(racing_world, Dataset(racing_data.path, other, racing_data.episodes(), []), tmp_path, plan=PLAN)


def test_plan_refuses_nothing() -> None:
    with pytest.raises(BadInputError, match="at least 1"):
        dataclasses.replace(PLAN, windows=0)


def test_outputs_are_tried_before_the_measuring(racing_world: World, racing_data: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInputError, match="cannot write"):
        evaluate_world(racing_world, racing_data, tmp_path / "file" / "report", plan=PLAN)
