from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Waits
from itertools import pairwise
from pathlib import Path

import filelock
import numpy as np
import pytest

from dreamcade.core.errors import GameError
from dreamcade.games.doom.game import CONTROLS, TICS_PER_TICK, TURN_SPEED, DoomGame
from dreamcade.games.drivers.patrolling import PatrolDriver
from dreamcade.games.recorder import play


@pytest.fixture(scope="module")
def doom() -> Iterator[DoomGame]:
    game = DoomGame("vizdoom:freedoom2/map01", (160, 120))
    yield game
    game.close()


def act(turn: float = 0, move: float = 0, strafe: float = 0, attack: float = 0, use: float = 0) -> np.ndarray:
    return np.array([turn, move, strafe, attack, use], np.float32)


def test_no_key_is_one_that_the_browser_needs() -> None:
    keys = [key for axis in CONTROLS.axes for key in (*axis.negative_keys, *axis.positive_keys)]
    keys += [key for button in CONTROLS.buttons for key in button.keys]
    assert not [key for key in keys if key.startswith(("Control", "Alt", "Meta"))]


def test_turning_right_turns_clockwise_by_the_stated_angle(doom: DoomGame) -> None:
    doom.reset(0)
    before = doom.state()["heading"]
    for _ in range(5):
        doom.step(act(turn=1))
    turned = math.remainder(doom.state()["heading"] - before, 2 * math.pi)
    assert turned == pytest.approx(-5 * math.radians(TURN_SPEED * TICS_PER_TICK), abs=0.02)


def test_walking_goes_where_one_looks_and_walls_stop_it(doom: DoomGame) -> None:
    doom.reset(0)
    start = doom.state()
    assert start["ahead"] > 200
    for _ in range(6):
        doom.step(act(move=1))
    gone = doom.state()
    assert gone["x"] - start["x"] > 30
    assert gone["y"] == pytest.approx(start["y"], abs=1)
    doom.place(start["x"], start["y"], math.pi / 2 * 3)
    for _ in range(40):
        doom.step(act(move=1))
    assert doom.state()["speed"] < 3
    assert doom.state()["ahead"] <= 40


def test_shooting_costs_a_bullet(doom: DoomGame) -> None:
    doom.reset(0)
    ammo = doom.state()["ammo"]
    for _ in range(12):
        doom.step(act(attack=1))
    assert doom.state()["ammo"] < ammo


def test_the_floor_plan_knows_the_way_through_doors(doom: DoomGame) -> None:
    doom.reset(0)
    plan, state = doom.floor_plan, doom.state()
    here = plan.nearest(state["x"], state["y"])
    reachable = plan.reachable(here)
    assert len(reachable) > 1500
    assert any(plan.places[place].door for place in reachable)
    far = max(reachable, key=reachable.__getitem__)
    way = plan.path(here, far)
    assert (way[0], way[-1]) == (plan.places[here], plan.places[far])
    for a, b in pairwise(way):
        assert math.hypot(b.x - a.x, b.y - a.y) < 50
        assert not plan.crosses_wall(a.x, a.y, b.x, b.y)
    assert plan.path(far, far) == [plan.places[far]]


def test_a_wall_is_between_two_rooms(doom: DoomGame) -> None:
    doom.reset(0)
    assert doom.floor_plan.crosses_wall(-192, -192, -192, -600)
    assert not doom.floor_plan.crosses_wall(-192, -192, -100, -192)


def test_the_driver_starts_anywhere_and_gets_about(doom: DoomGame) -> None:
    starts, walked = [], []
    for seed in (1, 2, 3):
        moments = list(play(doom, PatrolDriver(doom), seed, 90))
        places = np.array([(m.columns["x"], m.columns["y"]) for m in moments])
        starts.append(places[0])
        walked.append(np.hypot(*np.diff(places, axis=0).T).sum())
    assert np.ptp(np.array(starts), axis=0).max() > 200
    assert max(walked) > 300


def test_it_leaves_nothing_where_it_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    game = DoomGame("vizdoom:freedoom2/map01", (160, 120))
    game.reset(0)
    game.close()
    assert not list(tmp_path.iterdir())


def test_engines_start_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    DoomGame("vizdoom:freedoom2/map01", (48, 32)).close()
    (lock,) = tmp_path.glob("dreamcade-doom-*.lock")
    with ThreadPoolExecutor(1) as pool:
        with filelock.FileLock(lock):
            starting = pool.submit(DoomGame, "vizdoom:freedoom2/map01", (48, 32))
            with pytest.raises(Waits):
                starting.result(1.0)
        starting.result(30).close()


def test_where_nobody_can_take_turns_the_game_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none" / "there"))
    (tmp_path / "none").write_text("not a folder")
    with pytest.raises(GameError, match=r"start one by one, and .*\.lock cannot be locked"):
        DoomGame("vizdoom:freedoom2/map01", (48, 32))
