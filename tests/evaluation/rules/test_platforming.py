"""The platform game's own experiments: the real game passes, and a world that ignores walls is caught."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from dreamcade.core.types import ActionVector
from dreamcade.dataset.format import DatasetMeta
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.writer import DatasetWriter
from dreamcade.evaluation.axis import Axis
from dreamcade.evaluation.candidate import Play
from dreamcade.evaluation.evaluate import judge_candidate
from dreamcade.evaluation.plan import EvaluationPlan
from dreamcade.evaluation.reading import ReaderTraining
from dreamcade.evaluation.rules import walls
from dreamcade.evaluation.twin import Twin, _replays
from dreamcade.games.drivers import platforming
from dreamcade.games.procgen.environment import is_installed
from dreamcade.games.procgen.game import COINRUN, CoinRunGame
from dreamcade.games.recorder import record_episode

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not is_installed(), reason="Procgen is not installed")]

PLAN = EvaluationPlan(rule_starts=5, reader=ReaderTraining(steps=170, samples=1500, batch=32))


class Ghost(Twin):
    """The game, but whoever runs to the right goes through walls."""

    def advance(self, plays: Sequence[Play], actions: Sequence[ActionVector]) -> None:
        for play, action in zip(_replays(plays), actions, strict=True):
            game = play.game
            assert isinstance(game, CoinRunGame)
            before = game.view
            play.frame = game.step(action)[0]
            if action[1] and not action[0]:
                now = game.view
                body = struct.pack("<4f", now.x, now.y, now.vx, now.vy)
                assert game.saved.count(body) == 1
                moved = struct.pack("<4f", before.x + 0.5, before.y, 0.5, 0.0)
                play.frame = game.place(int(game.state()["level"]), game.saved.replace(body, moved))


@pytest.fixture(scope="module")
def levels(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(platforming, "EXPLORING_STEPS", 500)
        platforming._explored.cache_clear()
        path: Path = tmp_path_factory.mktemp("levels") / "data"
        game = CoinRunGame(COINRUN, (128, 128))
        meta = DatasetMeta(
            game.name, game.controls, game.size, game.tick_rate, game.licence, "a test", {"driver": "PlatformDriver"}
        )
        writer = DatasetWriter(path, meta)
        for seed in range(9):
            episode = record_episode(game, platforming.PlatformDriver(game), seed, 130)
            writer.write(episode, "train" if seed < 5 else "heldout")
        game.close()
    return Dataset.open(path)


def judged(candidate: Twin, data: Dataset, monkeypatch: pytest.MonkeyPatch) -> Axis:
    monkeypatch.setattr(platforming, "EXPLORING_STEPS", 500)  # as when it was recorded
    monkeypatch.setattr(walls, "FRAMES", 120)
    monkeypatch.setattr(walls, "STEPS", 150)
    evaluation = judge_candidate(candidate, data, plan=PLAN, axes=("rules",))
    candidate.close()
    assert not evaluation.notes
    return evaluation.axes[0]


def test_the_game_keeps_its_own_rules(levels: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    axis = judged(Twin(levels), levels, monkeypatch)
    assert axis.figures["jump_ratio"] == pytest.approx(1.0)
    assert axis.figures["wall_held"] == 1.0
    assert axis.figures["inside_wall"] == axis.figures["inside_wall_real"]
    assert axis.figures["outside_walls"] == 1.0, "what is misread is taken off"
    assert "Hands off, plays that stay where they are" in {line.title for line in axis.criteria}


def test_a_world_that_ignores_walls_is_caught_by_the_rules(levels: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    axis = judged(Ghost(levels), levels, monkeypatch)
    assert axis.figures["wall_held"] <= 0.8
    assert axis.figures["inside_wall"] > axis.figures["inside_wall_real"] + 0.2
    assert axis.figures["cells_into_wall"] > axis.figures["cells_into_wall_real"] + 0.3
    assert np.isfinite(axis.figures["jump_apex"])
