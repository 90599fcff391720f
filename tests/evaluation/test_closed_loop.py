from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dreamcade.core.controls import Controls
from dreamcade.core.types import Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.engine.engine import Engine
from dreamcade.evaluation.closed_loop import Drive, drive_dream, drive_game, pilot_figures
from dreamcade.evaluation.windows import choose_windows, driving
from dreamcade.games.registry import make_game
from dreamcade.world import World


def silent(what: str, done: int, total: int) -> None:
    pass


class ToyGame:
    """A straight road that vanishes after `length` ticks."""

    name, tick_rate, licence, size = "toy:road", 25.0, "CC0-1.0", (96, 64)

    def __init__(self, length: int, controls: Controls, road: Pixels) -> None:
        self.length, self.controls, self.road = length, controls, road
        self.ticks = 0

    def reset(self, seed: int) -> Pixels:
        self.ticks = 0
        return self.road

    def step(self, action: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> tuple[Pixels, float, bool, bool]:
        self.ticks += 1
        gone = np.full((64, 96, 3), (100, 202, 100), np.uint8)
        return (self.road if self.ticks < self.length else gone), 0.0, False, False

    def state(self) -> dict[str, float]:
        return {}

    def close(self) -> None:
        pass


def test_survivor_and_loser(racing_controls: Controls, road_picture: Callable[..., Pixels]) -> None:
    survivor, loser = (drive_game(ToyGame(n, racing_controls, road_picture()), 0, 4.0) for n in (1000, 50))
    assert survivor.survived
    assert survivor.seconds == 4.0
    assert not loser.survived
    assert loser.seconds == pytest.approx((50 + 24) / 25)


def test_bends_are_long_enough_and_to_one_side() -> None:
    steer = [0.0] * 10 + [0.5] * 10 + [-0.5] * 10 + [0.5] * 3 + [0.0] * 10
    assert Drive(25.0, 100, steer=steer).bends == 2
    assert Drive(25.0, 100).bends == 0


def test_figures() -> None:
    survivor = Drive(25.0, 100, True, [0.0] * 50 + [0.5] * 50, [2.0] * 99)
    drives = [survivor, Drive(25.0, 100, False, [0.0] * 50, [1.0] * 49)]
    figures = pilot_figures(drives, "_real")
    assert figures["pilot_seconds_median_real"] == 3.0
    assert figures["pilot_reached_4s_real"] == 1
    assert figures["pilot_steer_share_real"] == pytest.approx(1 / 3)
    assert figures["pilot_starts_real"] == 2
    assert figures["pilot_bends_per_minute_real"] == pytest.approx(10.0)


def test_dream_drives_end_at_the_limit_or_when_lost(racing_world: World, racing_data: Dataset) -> None:
    windows = choose_windows(racing_data, 2, 1, 0, driving())
    drives = drive_dream(Engine(racing_world, "cpu"), racing_data, windows, seconds=0.4, seed=0, progress=silent)
    assert [len(d.steer) for d in drives] == [10, 10]
    assert all(d.survived for d in drives)
    assert len(drives[0].change) == 10
    assert drives[0].stills[0][1].shape == (64, 96, 3)


def test_the_pilot_drives_the_real_game() -> None:
    pytest.importorskip("Box2D")
    game = make_game("gym:CarRacing-v3", (240, 160))
    drive = drive_game(game, 3, 6.0)
    game.close()
    assert drive.survived
    assert drive.seconds == 6.0
    assert np.mean(drive.change) > 0.3
