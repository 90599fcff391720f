"""Calibration: as many skips as the budget allows, none where it allows none."""

from __future__ import annotations

import pytest

from dreamcade.dataset.reader import Dataset
from dreamcade.dynamics import ExtrapolationConfig, Extrapolator
from dreamcade.evaluation.calibration import FARTHEST, Budget, Calibration, Tried, calibrate, calibrated
from dreamcade.evaluation.skipping import Playground, open_playground
from dreamcade.world import World

ANY = ExtrapolationConfig(action_distance=1e3, curvature=1e3, most_skips=1, width=8)


@pytest.fixture(scope="module")
def playground(racing_world: World, racing_data: Dataset) -> Playground:
    """A player who holds what they begin with."""
    made = open_playground(racing_world, racing_data, windows=3, ticks=6, seed=0)
    made.actions[:] = made.actions[0]
    return made


@pytest.fixture(scope="module")
def extrapolator(racing_world: World) -> Extrapolator:
    return Extrapolator(ANY, racing_world.dynamics.config).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def generous(playground: Playground, extrapolator: Extrapolator) -> Calibration:
    return calibrate(playground, extrapolator, Budget(50.0, 50.0), lambda what, done, total: None)


def test_a_large_budget_lets_the_most_pass(generous: Calibration) -> None:
    assert generous.chosen is not None
    assert generous.chosen.windows == 3
    assert generous.chosen.share == max(t.share for t in generous.tried)
    assert generous.chosen.config.most_skips > 1
    assert max(t.config.action_distance for t in generous.tried) <= FARTHEST  # a new action is computed


def test_every_method_is_a_row(generous: Calibration) -> None:
    rows = {row["method"]: row for row in generous.to_json()["methods"]}
    assert list(rows) == ["full", "repeat", "blend", "linear", "linear, unguarded", "ours, unguarded", "ours"]
    assert rows["full"]["skipped"] == 0 and rows["full"]["loss_db"] == 0
    assert (
        rows["linear, unguarded"]["psnr_to_full"] < rows["repeat"]["psnr_to_full"] == 100
    )  # a world that stands still
    assert len(rows["ours"]["loss_db_by_tick"]) == 6
    assert all(row["lpips"] is not None and row["ms"] > 0 for row in rows.values())


def test_no_budget_no_setting(playground: Playground, extrapolator: Extrapolator, racing_world: World) -> None:
    found = calibrate(playground, extrapolator, Budget(-50.0), lambda what, done, total: None)
    assert found.chosen is None
    assert found.methods
    assert calibrated(racing_world, extrapolator, found) is None


def test_the_setting_is_stored_with_its_figures(
    racing_world: World, extrapolator: Extrapolator, generous: Calibration
) -> None:
    made = calibrated(racing_world, extrapolator, generous)
    assert made is not None and generous.chosen is not None
    assert made.extrapolator is not None and made.extrapolator.config == generous.chosen.config
    assert made.manifest.extrapolation == generous.chosen.config.to_json()
    assert made.manifest.card["extrapolation"]["passes skipped, share"] == pytest.approx(
        generous.chosen.share, abs=1e-3
    )
    assert extrapolator.config == ANY


def test_the_scarcer_budget_counts() -> None:
    sharp, blurred, none = Tried(ANY, 0.5, 0.25, 3, 0.01), Tried(ANY, 0.5, 0.25, 3, 0.2), Tried(ANY, 0.0, 9.0, 3)
    assert [Budget(0.5, 0.1).used(t) for t in (sharp, blurred, none)] == [0.5, 2.0, 0.0]
    assert Budget(0.0, 0.1).used(sharp) == float("inf")
