from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from dreamcade.core.errors import BadInputError
from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation.criteria import judge
from dreamcade.evaluation.evaluate import EvaluationPlan, evaluate_world
from dreamcade.world import World

PLAN = EvaluationPlan(windows=2, steer_starts=2, steer_tracks=1, starts=2, tracks=1, pilot_seconds=0.4, quick=True)


def test_figures_report_and_strips(racing_world: World, racing_data: Dataset, tmp_path: Path) -> None:
    stages: set[str] = set()
    figures = evaluate_world(
        racing_world, racing_data, tmp_path, plan=PLAN, device="cpu", progress=lambda what, *_: stages.add(what)
    )
    wanted = {"psnr_codec", "lpips_codec", "steer_response", "pilot_seconds_median", "pilot_steer_share"}
    wanted |= {f"{m}_h{h}{s}" for m in ("psnr", "lpips") for h in (1, 4, 16, 64) for s in ("", "_persistence")}
    assert wanted <= set(figures)
    # An untrained world stands still, and so falls behind the road as persistence does.
    assert figures["psnr_h1"] > figures["psnr_h16"] + 1
    assert figures["psnr_h1_persistence"] > figures["psnr_h16_persistence"] + 1
    assert figures["psnr_h16_codec"] > figures["psnr_h16"] + 1
    assert json.loads((tmp_path / "figures.json").read_text())["psnr_h1"] == figures["psnr_h1"]
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/") >= 5
    assert "http" not in page
    assert "toy-racing" in page
    assert (tmp_path / "strip-0.png").exists()
    assert {"open-loop rollouts", "steering response", "pilot in the dream"} <= stages


def test_a_game_that_is_not_here_is_noted(racing_world: World, racing_data: Dataset, tmp_path: Path) -> None:
    figures = evaluate_world(racing_world, racing_data, tmp_path, plan=PLAN, device="cpu")
    assert figures["pilot_seconds_median_real"] is None
    assert "toy:road" in figures["notes"][0]


def test_same_seed_same_figures(racing_world: World, racing_data: Dataset, tmp_path: Path) -> None:
    one, two = (evaluate_world(racing_world, racing_data, tmp_path, plan=PLAN, device="cpu", seed=5) for _ in "ab")
    assert {**one, "seconds": 0} == {**two, "seconds": 0}


def test_dataset_of_another_game(tiny_world: World, racing_data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="frame size"):
        evaluate_world(tiny_world, racing_data, tmp_path, plan=PLAN)


def test_plan_refuses_nothing() -> None:
    with pytest.raises(BadInputError, match="at least 1"):
        dataclasses.replace(PLAN, windows=0)


def test_verdicts() -> None:
    good = {
        "psnr_codec": 36.0, "psnr_h1": 35.1, "psnr_h16": 29.0, "psnr_h16_persistence": 20.0, "steer_response": 1.0,
        "pilot_seconds_median": 60.0, "pilot_limit": 60.0, "pilot_starts": 12, "pilot_reached_60s": 10,
        "windows": 48, "steer_response_tries": 40, "pilot_steer_share": 0.2,
        "pilot_frame_difference": 0.9, "pilot_frame_difference_real": 1.0,
    }  # fmt: skip
    assert all(c.passed for c in judge(good))
    bad = {**good, "psnr_h1": 34.9, "pilot_reached_60s": 9, "steer_response": None, "pilot_frame_difference": 0.01}
    assert [c.passed for c in judge(bad)] == [True, False, True, None, True, False, True, False]


def test_too_little_is_not_judged() -> None:
    few = {
        "psnr_codec": 36.0, "windows": 8, "steer_response": 1.0, "steer_response_tries": 8, "pilot_limit": 10.0,
        "pilot_seconds_median": 10.0, "pilot_starts": 4, "pilot_reached_10s": 4,
    }  # fmt: skip
    assert not any(c.passed for c in judge(few))
    assert "too few to judge" in judge(few)[0].value


def test_outputs_are_tried_before_the_measuring(racing_world: World, racing_data: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInputError, match="cannot write"):
        evaluate_world(racing_world, racing_data, tmp_path / "file" / "report", plan=PLAN)
