from __future__ import annotations

import numpy as np
import pytest

from dreamcade.games.drivers import platforming
from dreamcade.games.procgen.environment import is_installed
from dreamcade.games.procgen.game import COINRUN, CoinRunGame
from dreamcade.games.recorder import play

pytestmark = pytest.mark.skipif(not is_installed(), reason="Procgen is not installed")


def test_a_recording_covers_levels_and_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    game = CoinRunGame(COINRUN, (64, 64))
    monkeypatch.setattr(platforming, "EXPLORING_STEPS", 800)
    platforming._explored.cache_clear()
    driver = platforming.PlatformDriver(game)
    moments = [m for seed in (0, 3) for m in play(game, driver, seed, 100)]
    game.close()
    platforming._explored.cache_clear()
    pressed = np.stack([m.action for m in moments]).mean(0)
    assert (pressed[:3] > 0.03).all(), "left, right and up are all used"
    assert {m.columns["style"] for m in moments} > {"plan"}
    assert np.ptp([m.columns["x"] for m in moments]) > 5
    airborne = np.mean([m.columns["supported"] == 0 for m in moments])
    assert 0.2 < airborne < 0.95
