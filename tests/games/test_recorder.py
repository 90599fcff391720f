from __future__ import annotations

import pickle

import numpy as np
import pytest

from dreamcade.core.errors import BadInputError
from dreamcade.games.car_racing import CarRacingGame
from dreamcade.games.drivers.covering import CoveringDriver
from dreamcade.games.recorder import PlaySource, play, record_episode


def test_an_episode_is_a_function_of_its_seed() -> None:
    first, again, other = (
        record_episode(game, CoveringDriver(game), seed, 25)
        for game, seed in ((CarRacingGame((60, 40)), 3), (CarRacingGame((60, 40)), 3), (CarRacingGame((60, 40)), 4))
    )
    np.testing.assert_array_equal(first.frames, again.frames)
    np.testing.assert_array_equal(first.actions, again.actions)
    assert all((first.columns[name] == again.columns[name]).all() for name in first.columns)
    assert not np.array_equal(first.frames, other.frames)


def test_actions_are_taken_after_seeing_the_frame() -> None:
    game = CarRacingGame((60, 40))
    episode = record_episode(game, CoveringDriver(game), 3, 25)
    replay = CarRacingGame((60, 40))
    np.testing.assert_array_equal(replay.reset(3), episode.frames[0])
    for t in range(24):
        assert replay.state()["speed"] == pytest.approx(float(episode.columns["speed"][t]))
        np.testing.assert_array_equal(replay.step(episode.actions[t])[0], episode.frames[t + 1])


def test_an_episode_ends_where_the_game_ends(blind_game: CarRacingGame) -> None:
    moments = []
    for moment in play(blind_game, CoveringDriver(blind_game), 0, 50):
        moments.append(moment)
        if len(moments) == 5:
            blind_game._env.car.hull.position = (400.0, 0.0)
    assert len(moments) == 6
    assert [m.columns["terminated"] for m in moments] == [False] * 5 + [True]


def test_a_source_travels_to_another_process_and_plays_the_same() -> None:
    source = pickle.loads(pickle.dumps(PlaySource("gym:CarRacing-v3", (60, 40), 4)))
    game = CarRacingGame((60, 40))
    direct = record_episode(game, CoveringDriver(game), 8, 4)
    np.testing.assert_array_equal(np.stack([m.frame for m in source(8)]), direct.frames)


def test_an_empty_episode_is_refused(blind_game: CarRacingGame) -> None:
    with pytest.raises(BadInputError, match="at least 1 tick"):
        next(play(blind_game, CoveringDriver(blind_game), 0, 0))
