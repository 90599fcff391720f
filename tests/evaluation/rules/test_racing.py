"""The real game under the racing experiments: it answers the wheel, brakes, and grass slows it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from dreamcade.dataset.format import DatasetMeta
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.writer import DatasetWriter
from dreamcade.evaluation.axis import Axis
from dreamcade.evaluation.plan import QUICK
from dreamcade.evaluation.reading import Readings
from dreamcade.evaluation.rules.experiment import Outcome, ratio
from dreamcade.evaluation.rules.racing import _hold_still, braking_distances
from dreamcade.evaluation.rules.setting import Setting
from dreamcade.evaluation.rules.steering import steer_everywhere
from dreamcade.evaluation.twin import Twin
from dreamcade.evaluation.windows import choose_windows, driving
from dreamcade.games.recorder import record_episode
from dreamcade.games.registry import make_driver, make_game


def silent(what: str, done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    pytest.importorskip("Box2D")
    path: Path = tmp_path_factory.mktemp("track") / "data"
    game = make_game("gym:CarRacing-v3", (240, 160))
    how = {"driver": "CoveringDriver"}
    meta = DatasetMeta(game.name, game.controls, game.size, game.tick_rate, game.licence, "a test", how)
    writer = DatasetWriter(path, meta)
    for seed in (3, 4):
        writer.write(record_episode(game, make_driver(game), seed, 90), "heldout")
    game.close()
    return Dataset.open(path)


def test_the_replayed_game_goes_on_where_the_recording_was(track: Dataset) -> None:
    twin = Twin(track)
    [window] = choose_windows(track, 1, 20, 0, driving())
    [play] = twin.begin([window])
    for tick in range(10):
        twin.advance([play], [track.actions(window.episode, window.newest + tick, window.newest + tick + 1)[0]])
    real = track.frames(window.episode, window.newest + 10, window.newest + 11)[0]
    assert np.abs(twin.show([play])[0].astype(int) - real).mean() < 5
    assert twin.state(play)["speed"] == pytest.approx(
        float(track.column(window.episode, "speed")[window.newest + 10]), abs=1e-3
    )
    twin.finish([play])
    twin.close()


def test_the_real_game_answers_the_wheel(track: Dataset) -> None:
    twin = Twin(track)
    windows = choose_windows(track, 2, 8, 0, driving(12.0, 60.0, 2, 0.8))
    tries = steer_everywhere(twin, track.meta.controls, windows, seed=0, what="", progress=silent)
    assert any(one.answered for one in tries)
    twin.close()


def test_a_stopped_car_stands_with_the_hands_off(track: Dataset) -> None:
    twin, axis = Twin(track), Axis("rules", "Rules", "")
    plan = dataclasses.replace(QUICK, rule_starts=2)
    _hold_still(axis, Setting(twin, twin, track, None, plan, 0, silent))  # type: ignore[arg-type]
    twin.close()
    assert axis.figures["still_starts"] == 2
    assert axis.figures["still_movement"] == axis.figures["still_movement_real"] < 0.05


def test_braking_distance_adds_up_until_the_car_stands() -> None:
    speed = np.array([[20.0, 10.0, 5.0, 3.0, 20.0], [50.0, 50.0, 50.0, 50.0, 50.0]])
    found = braking_distances(Outcome({"speed": speed}, [], []), 25.0)
    np.testing.assert_allclose(found, [35 / 25, 250 / 25])


def test_ratios_of_nothing_are_nothing() -> None:
    assert ratio(2.0, 4.0) == 0.5
    assert ratio(None, 4.0) is None
    assert ratio(2.0, 0.0) is None


def test_a_setting_lists_the_dream_first(track: Dataset) -> None:
    twin = Twin(track)
    setting = Setting(twin, twin, track, None, dataclasses.replace(QUICK), 0, silent)  # type: ignore[arg-type]
    assert [name for name, _ in setting.sides()] == ["dream", "game"]
    assert Readings(np.zeros((0, 3), np.int64), {}).columns == {}
