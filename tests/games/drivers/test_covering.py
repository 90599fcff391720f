from __future__ import annotations

import numpy as np
import pytest

from dreamcade.core.errors import BadInputError
from dreamcade.games.car_racing import CarRacingGame
from dreamcade.games.drivers.covering import CoveringDriver
from dreamcade.games.drivers.styles import GOOD, UPSETS
from dreamcade.games.recorder import play


def test_it_drives_well_and_covers_the_game(blind_game: CarRacingGame) -> None:
    driver = CoveringDriver(blind_game)
    moments = [m for seed in range(20, 26) for m in play(blind_game, driver, seed, 700)]
    actions = np.stack([m.action for m in moments])
    columns = {name: np.array([m.columns[name] for m in moments]) for name in moments[0].columns}
    assert len(moments) == 6 * 700, "no play ended early"
    assert (columns["on_track"] >= 2).mean() > 0.72
    assert ((np.abs(columns["slip_angle"]) > 0.7) & (columns["speed"] > 8)).mean() < 0.05
    assert (columns["speed"] < 0.5).mean() > 0.005
    assert np.quantile(columns["speed"], 0.95) > 50
    steer = np.digitize(actions[:, 0], [-0.1, 0.1])
    pedal = np.where(actions[:, 2] > 0.05, 2, actions[:, 1] > 0.05)
    for side in range(3):
        for foot in range(3):
            assert ((steer == side) & (pedal == foot)).mean() > 0.004, (side, foot)
    straight = np.abs(columns["curvature_ahead"]) < 0.01
    assert (np.abs(actions[straight, 0]) > 0.1).mean() > 0.2, "steering is excited on straights"
    assert len(set(columns["style"])) >= 12


@pytest.mark.parametrize("style", [*GOOD, *UPSETS], ids=lambda style: style.__name__)
def test_every_style_gives_valid_actions_and_ends(blind_game: CarRacingGame, style: object) -> None:
    driver = CoveringDriver(blind_game)
    blind_game.reset(31)
    driver.reset(31)
    for _ in range(40):
        blind_game.step(driver.act(blind_game.state()))
    assert driver._seat is not None
    driver._seat.state = blind_game.state()
    ticks = 0
    for action in style(driver._seat):  # type: ignore[operator]
        blind_game.step(action)
        driver._seat.state = blind_game.state()
        ticks += 1
    assert ticks < 25 * 12


def test_it_recovers_from_rolling_backwards_off_the_road(blind_game: CarRacingGame) -> None:
    driver = CoveringDriver(blind_game)
    blind_game.reset(7)
    driver.reset(7)
    hull = blind_game._env.car.hull
    for body in (hull, *blind_game._env.car.wheels):
        body.linearVelocity = tuple(-4.0 * v for v in hull.GetWorldVector((0, 1)))
    speeds = []
    for _ in range(100):
        blind_game.step(driver.act(blind_game.state()))
        speeds.append(blind_game.state()["speed"])
    assert max(speeds) > 12


def test_acting_before_reset_is_refused(blind_game: CarRacingGame) -> None:
    with pytest.raises(BadInputError, match="reset"):
        CoveringDriver(blind_game).act({})
