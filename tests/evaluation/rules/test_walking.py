"""The experiments of first-person games: the real game passes, and walking through walls is counted."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from dreamcade.dataset.format import DatasetMeta
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.writer import DatasetWriter
from dreamcade.evaluation.evaluate import judge_candidate
from dreamcade.evaluation.plan import EvaluationPlan
from dreamcade.evaluation.reading import ReaderTraining
from dreamcade.evaluation.rules.experiment import Outcome
from dreamcade.evaluation.rules.walking import through_walls
from dreamcade.evaluation.twin import Twin
from dreamcade.games.drivers.patrolling import PatrolDriver
from dreamcade.games.recorder import record_episode

pytest.importorskip("vizdoom", reason="needs the extra 'games'")
from dreamcade.games.doom.game import DoomGame

MAP = "vizdoom:freedoom2/map01"
PLAN = EvaluationPlan(rule_starts=4, reader=ReaderTraining(steps=60, samples=800, batch=32))


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path: Path = tmp_path_factory.mktemp("walks") / "data"
    game = DoomGame(MAP, (160, 120))
    meta = DatasetMeta(
        game.name, game.controls, game.size, game.tick_rate, game.licence, "a test", {"driver": "Patrol"}
    )
    writer = DatasetWriter(path, meta)
    for seed in range(6):
        writer.write(record_episode(game, PatrolDriver(game), seed, 160), "train" if seed < 3 else "heldout")
    game.close()
    return Dataset.open(path)


def test_a_copy_of_the_game_keeps_its_rules(walks: Dataset) -> None:
    twin = Twin(walks)
    evaluation = judge_candidate(twin, walks, plan=PLAN, axes=("rules",))
    twin.close()
    assert not evaluation.notes
    figures = evaluation.axes[0].figures
    for key in ("through_walls", "walked_into_wall", "round_psnr", "round_lpips", "shots_spent", "health_lost"):
        assert figures[key] == pytest.approx(figures[f"{key}_real"]), key
    assert figures["clear_of_walls"] == 1.0, "what is misread is taken off"
    assert figures["round_lpips"] < 0.7 * figures["round_lpips_others"], "a full turn comes back"


def test_a_way_through_walls_is_counted() -> None:
    game = DoomGame(MAP, (64, 48))
    game.reset(0)
    plan, here = game.floor_plan, game.state()
    game.close()
    away = np.linspace(0, 3000, 150)
    heading = here["heading"]
    ghost = np.stack([here["x"] + away * math.cos(heading), here["y"] + away * math.sin(heading)])
    walker = ghost.copy()  # stops before the wall
    walker[:, 1:] = ghost[:, :1] + (ghost[:, 1:] - ghost[:, :1]) * np.minimum(1, 0.8 * here["ahead"] / away[1:])

    def shares(*ways: np.ndarray) -> tuple[float, float]:
        return through_walls(
            Outcome({"x": np.stack([w[0] for w in ways]), "y": np.stack([w[1] for w in ways])}, [], []), plan
        )

    movements, walks = shares(ghost, walker)
    assert movements > 0.005
    assert walks == 0.5, "of a ghost and a walker, one goes through"
    assert shares(walker) == (0.0, 0.0)
    jumps = ghost.copy()
    jumps[0, 50:] += 500.0  # the network has changed its mind, nobody walks that fast
    assert shares(jumps)[0] <= shares(ghost)[0] + 0.02
