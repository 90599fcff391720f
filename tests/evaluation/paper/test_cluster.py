from __future__ import annotations

import dataclasses

import pytest

from dreamcade.cluster.calibration import FITTED, PAPER
from dreamcade.cluster.layout import Layout
from dreamcade.cluster.plan import Plan
from dreamcade.cluster.planner import plan, predict
from dreamcade.evaluation.paper.cluster import (
    PAPER_FPS,
    fit_paper,
    paper_calibration,
    paper_devices,
    paper_notes,
    published_fps,
)
from dreamcade.evaluation.paper.presets import PAPER_PRESETS
from dreamcade.evaluation.paper.workload import paper_workload

RACING, PLATFORMER = PAPER_PRESETS["paper-racing"], PAPER_PRESETS["paper-platformer"]


def predicted(dit: int, decoder: int, name: str = "paper-racing") -> Plan:
    preset = PAPER_PRESETS[name]
    calibration = paper_calibration(preset)
    work = dataclasses.replace(paper_workload(preset), skip=calibration.skip or 0.0)
    return predict(work, Layout(dit, decoder), paper_devices(), calibration)


def plans(skipping: bool) -> list[Plan]:
    calibration = paper_calibration(RACING)
    skip = calibration.skip if skipping else 0.0
    return plan(dataclasses.replace(paper_workload(RACING), skip=skip or 0.0), paper_devices(), calibration)


def test_the_fit_is_what_two_equations_say() -> None:
    """a / 5 + b = 1 s / 19.4 and a / 3 + b = 1 s / 16.6."""
    fit = fit_paper(RACING)
    assert fit.divided == pytest.approx((1000 / 16.6 - 1000 / 19.4) / (1 / 3 - 1 / 5))
    assert fit.fixed == pytest.approx(1000 / 19.4 - fit.divided / 5)
    assert fit.skip == pytest.approx(1 - 19.4 / 26.4)
    assert fit.decoder == 93


def test_the_paper_s_figures_come_out() -> None:
    for (dit, decoder), fps in PAPER_FPS.items():
        found = predicted(dit, decoder)
        assert found.fps_without_extrapolation == pytest.approx(fps, rel=1e-6)
        assert found.bottleneck.startswith("DiT")  # what the fit supposes
    assert predicted(5, 3).fps == pytest.approx(26.4, rel=1e-6)
    assert predicted(5, 3, "paper-platformer").fps == pytest.approx(48.3, rel=1e-3)


def test_with_extrapolation_the_paper_s_split_is_the_best() -> None:
    """No fit says so: six devices for the dynamics would leave the decoder behind, four would be slower themselves."""
    splits = [one.layout.split for one in plans(skipping=True)]
    assert splits[0] == "5+3" and splits.index("5+3") < splits.index("3+5")
    assert splits.index("5+3") < splits.index("6+2")


def test_without_it_six_and_two_would_be() -> None:
    best = plans(skipping=False)[0]
    assert best.layout.split == "6+2" and 19.4 < best.fps < 21


def test_the_other_game_skips_what_the_paper_says_of_games() -> None:
    """The paper leaves out 35 to 65 % of the passes, by a lead."""
    assert 0.35 < fit_paper(PLATFORMER).skip < 0.65


def test_inputs_say_what_is_the_paper_s_and_what_is_fitted() -> None:
    for preset in (RACING, PLATFORMER):
        origins = {one.name: one.origin for one in paper_calibration(preset).inputs}
        assert origins["FPS before extrapolation"] == origins["decoder on one device"] == PAPER
        assert origins["DiT, divided by its devices"] == origins["frames extrapolated"] == FITTED


def test_notes_stand_beside_the_paper_s_figures() -> None:
    notes = " ".join(paper_notes(RACING, paper_workload(RACING), plans(skipping=True)))
    assert (
        "5+3: 19.4 FPS before extrapolation, fitted to the paper's 19.4; with it 26.4, fitted to the paper's" in notes
    )
    assert "3+5: 16.6 FPS before extrapolation, fitted to the paper's 16.6; with it 22.6" in notes
    assert "how many steps the paper takes is not known" in notes and "the paper's split" not in notes
    calibration = paper_calibration(PLATFORMER)
    work = dataclasses.replace(paper_workload(PLATFORMER), skip=calibration.skip or 0.0)
    other = plan(work, paper_devices(), calibration)
    assert "the paper's split, 5+3, would bring 48.3 FPS; 7+1 comes first" in " ".join(
        paper_notes(PLATFORMER, work, other)
    )


def test_published_figures_by_split() -> None:
    assert published_fps(RACING) == [((5, 3), 19.4), ((3, 5), 16.6), ((5, 3), 26.4)]
    assert published_fps(PLATFORMER) == [((5, 3), 48.3)]
