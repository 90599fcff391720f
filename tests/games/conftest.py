"""A game without drawing: most of what is tested here is about driving, and drawing is most of the time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from dreamcade.games.car_racing import CarRacingGame
from dreamcade.games.racing_env import RacingEnv


@pytest.fixture
def blind_game(monkeypatch: pytest.MonkeyPatch) -> Iterator[CarRacingGame]:
    monkeypatch.setattr(RacingEnv, "draw", lambda env: np.zeros((48, 72, 3), np.uint8))
    game = CarRacingGame((72, 48))
    yield game
    game.close()
