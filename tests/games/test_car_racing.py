from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from dreamcade.core.errors import BadInputError
from dreamcade.games.car_racing import CarRacingGame
from dreamcade.games.racing_env import INTRO_SECONDS

RIGHT_GAS = np.array([0.3, 0.5, 0.0], np.float32)


def test_same_seed_and_actions_give_the_same_frames() -> None:
    runs = []
    for _ in range(2):
        game = CarRacingGame((90, 60))
        game.reset(9)  # an earlier play must not leave a trace
        game.step(RIGHT_GAS)
        frames = [game.reset(4)] + [game.step(RIGHT_GAS)[0] for _ in range(20)]
        runs.append((np.stack(frames), dict(game.state())))
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    assert runs[0][1] == runs[1][1]


def test_frames_have_the_asked_size_and_the_parts_of_the_game() -> None:
    frame = CarRacingGame((720, 480)).reset(0)
    assert frame.shape == (480, 720, 3)
    assert frame.dtype == np.uint8
    assert frame.flags.c_contiguous
    assert (frame[430:] < 40).all(axis=-1).mean() > 0.8, "the black strip of indicators"
    assert (frame[440:460, 5:80] > 200).any(), "the score's white digits"
    red = (frame[..., 0] > 180) & (frame[..., 1] < 30)
    assert red[320:400, 330:390].sum() > 300, "the car"
    grey = (np.ptp(frame.astype(int), axis=-1) < 6) & (frame[..., 0] > 80)
    assert grey[:420].mean() > 0.05, "the road"


def test_drawing_equals_gymnasium_pixel_by_pixel() -> None:
    ours = CarRacingGame((600, 400))
    ours.reset(5)
    theirs = gym.make("CarRacing-v3", render_mode="rgb_array").unwrapped
    theirs.reset(seed=5)
    # The same play from the same place: ours starts elsewhere on the track and behind the zoom.
    for name in ("world", "car", "road", "road_poly", "track", "t", "reward", "prev_reward"):
        setattr(theirs, name, getattr(ours._env, name))
    assert theirs.t == INTRO_SECONDS
    for _ in range(15):
        frame = ours.step(RIGHT_GAS)[0]
        theirs.t, theirs.reward = ours._env.t, ours._env.reward
        np.testing.assert_array_equal(frame, theirs.render())


def test_steering_right_turns_right_and_gas_speeds_up(blind_game: CarRacingGame) -> None:
    blind_game.reset(1)
    before = blind_game.state()
    for _ in range(15):
        blind_game.step(RIGHT_GAS)
    after = blind_game.state()
    assert after["speed"] > before["speed"] + 5
    assert after["heading"] < before["heading"] - 0.1


def test_laps_go_on_and_count_again(blind_game: CarRacingGame) -> None:
    blind_game.reset(2)
    env = blind_game._env
    for tile in env.road:
        tile.road_visited = True
    env.tile_visited_count = len(env.track)
    assert not blind_game.step(RIGHT_GAS)[2]
    assert env.tile_visited_count == 0
    assert not any(tile.road_visited for tile in env.road)


def test_leaving_the_playfield_terminates(blind_game: CarRacingGame) -> None:
    blind_game.reset(2)
    blind_game._env.car.hull.position = (400.0, 0.0)
    _, reward, terminated, truncated = blind_game.step(RIGHT_GAS)
    assert terminated
    assert not truncated
    assert reward <= -100


def test_starts_differ_in_place_and_track(blind_game: CarRacingGame) -> None:
    places = set()
    for seed in range(4):
        blind_game.reset(seed)
        state = blind_game.state()
        assert state["on_track"] == 4
        assert abs(state["lateral_offset"]) < 1
        places.add((round(state["x"]), round(state["y"])))
    assert len(places) == 4


@pytest.mark.parametrize("action", [[0.0, 0.0], [2.0, 0.0, 0.0], [float("nan"), 0.0, 0.0], "left"])
def test_bad_actions_are_refused(blind_game: CarRacingGame, action: object) -> None:
    blind_game.reset(0)
    with pytest.raises(BadInputError):
        blind_game.step(action)  # type: ignore[arg-type]


def test_wrong_order_size_and_seed_are_refused(blind_game: CarRacingGame) -> None:
    with pytest.raises(BadInputError, match="reset"):
        blind_game.step(RIGHT_GAS)
    with pytest.raises(BadInputError, match="16x16"):
        CarRacingGame((0, 480))
    with pytest.raises(BadInputError, match="seed"):
        blind_game.reset(-1)
