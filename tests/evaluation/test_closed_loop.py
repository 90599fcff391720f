from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from dreamcade.core.controls import Controls
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.dataset.format import EpisodeInfo
from dreamcade.dataset.reader import Dataset
from dreamcade.engine.engine import Engine
from dreamcade.evaluation.candidate import Dream, Play
from dreamcade.evaluation.closed_loop import Drive, closed_loop_axis, drive_figures, play_pilot
from dreamcade.evaluation.pilots.judging import judge_racing, judge_walking
from dreamcade.evaluation.pilots.racing import RacingPilot, bends
from dreamcade.evaluation.windows import Window, choose_windows, driving
from dreamcade.games.registry import make_game
from dreamcade.world import World

GRASS = np.full((64, 96, 3), (100, 202, 100), np.uint8)
NOWHERE = Window(EpisodeInfo("none", 0, "heldout", 1, 0, 0), 0)


def silent(what: str, done: int, total: int) -> None:
    pass


class Road:
    """A straight road that vanishes after `length` ticks; or any game from its start on."""

    batch = 1

    def __init__(self, picture: Callable[[int, ActionVector | None], Pixels]) -> None:
        self.picture, self.ticks = picture, 0
        self.action: ActionVector | None = None

    def begin(self, windows: Sequence[Window], seed: int) -> list[Play]:
        self.ticks, self.action = 0, None
        self.frame = self.picture(0, None)
        return ["play"]

    def advance(self, plays: Sequence[Play], actions: Sequence[ActionVector]) -> None:
        for action in actions:
            self.ticks += 1
            self.frame = self.picture(self.ticks, action)

    def show(self, plays: Sequence[Play]) -> list[Pixels]:
        return [self.frame]

    def finish(self, plays: Sequence[Play]) -> None:
        pass

    def through_codec(self, frames: Pixels) -> Pixels:
        return frames


def play(road: Road, controls: Controls, seconds: float) -> Drive:
    [drive] = play_pilot(
        road,
        [NOWHERE],
        lambda number: RacingPilot(controls),
        seconds=seconds,
        tick_rate=25.0,
        seed=0,
        what="",
        progress=silent,
    )
    return drive


def test_survivor_and_loser(racing_controls: Controls, road_picture: Callable[..., Pixels]) -> None:
    road = road_picture()
    survivor, loser = (
        play(Road(lambda tick, _, n=length: road if tick < n else GRASS), racing_controls, 4.0)  # type: ignore[misc]
        for length in (1000, 50)
    )
    assert survivor.survived
    assert survivor.seconds == 4.0
    assert not loser.survived
    assert loser.seconds == pytest.approx((50 + 24) / 25)


def test_bends_are_long_enough_and_to_one_side() -> None:
    steer = np.array([0.0] * 10 + [0.5] * 10 + [-0.5] * 10 + [0.5] * 3 + [0.0] * 10, np.float32)
    assert bends(steer, 25.0) == 2
    assert bends(np.zeros(0, np.float32), 25.0) == 0


def test_figures_and_verdicts() -> None:
    still = [np.zeros(3, np.float32)] * 100
    lively = {"steer_share": 0.2, "bends_per_minute": 10.0, "kerb_share": 0.3}
    survivor = Drive(25.0, 100, True, still, [2.0] * 99, detail=[4.0] * 100, liveliness=lively)
    loser = Drive(25.0, 100, False, still[:50], [1.0] * 49, detail=[4.0, 1.0], liveliness=dict.fromkeys(lively, 0.0))
    figures = drive_figures([survivor, loser], "_real")
    assert figures["pilot_seconds_median_real"] == 3.0
    assert figures["pilot_lasted_real"] == 1
    assert figures["pilot_steer_share_real"] == pytest.approx(0.1)
    assert figures["pilot_starts_real"] == 2
    assert figures["pilot_detail_kept_real"] == pytest.approx((1 + 0.25) / 2)
    none = dict.fromkeys(lively, 0.0)
    dull = Drive(25.0, 7500, True, still * 75, [0.01] * 7499, [90.0], [9.0], [4.0] * 7500, liveliness=none)
    axis = closed_loop_axis([dull] * 12, [survivor] * 12, judge_racing)
    verdicts = {line.title: line.passed for line in axis.criteria}
    assert verdicts["Pilot, median time on the road"] is True
    assert verdicts["Pilot, bends a minute over the game's"] is False
    assert verdicts["Pilot, movement of the picture beside the game's"] is False
    short = Drive(25.0, 1500, True, still * 15, [0.01] * 1499, detail=[4.0] * 1500, liveliness=none)
    axis = closed_loop_axis([short] * 12, [survivor] * 12, judge_racing)
    verdicts = {line.title: line.passed for line in axis.criteria}
    assert verdicts["Pilot, median time on the road"] is None, "a minute is too short to judge"


def test_a_dream_that_dissolves_loses_its_detail() -> None:
    walk = {"walked_per_minute": 900.0, "area_seen": 12.0}
    idle = [np.zeros(5, np.float32)] * 1050
    game = Drive(17.5, 1050, True, idle, [5.0] * 1049, detail=[9.0] * 1050, liveliness=walk)
    fading = Drive(17.5, 1050, True, idle, [5.0] * 1049, detail=[*np.linspace(9.0, 2.0, 1050)], liveliness=walk)
    verdicts = [
        {line.title: line.passed for line in closed_loop_axis([drive] * 12, [game] * 12, judge_walking).criteria}
        for drive in (game, fading)
    ]
    assert [v["Pilot, detail of the last seconds over the game's"] for v in verdicts] == [True, False]


def test_dream_plays_end_at_the_limit_or_when_lost(racing_world: World, racing_data: Dataset) -> None:
    windows = choose_windows(racing_data, 2, 1, 0, driving())
    dream = Dream(Engine(racing_world, "cpu"), racing_data)
    drives = play_pilot(
        dream, windows, lambda number: RacingPilot(racing_world.controls), seconds=0.4, tick_rate=25.0, seed=0, what="",
        progress=silent,
    )  # fmt: skip
    assert [len(d.actions) for d in drives] == [10, 10]
    assert all(d.survived for d in drives)
    assert len(drives[0].change) == 10
    assert drives[0].stills[0][1].shape == (64, 96, 3)


def test_the_pilot_drives_the_real_game() -> None:
    pytest.importorskip("Box2D")
    game = make_game("gym:CarRacing-v3", (240, 160))
    real = Road(lambda tick, action: game.reset(3) if action is None else game.step(action)[0])
    drive = play(real, game.controls, 6.0)
    game.close()
    assert drive.survived
    assert drive.seconds == 6.0
    assert np.mean(drive.change) > 0.3
    assert 0 <= drive.liveliness["kerb_share"] <= 1
