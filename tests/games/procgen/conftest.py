from __future__ import annotations

from collections.abc import Iterator

import pytest

from dreamcade.games.procgen.environment import is_installed
from dreamcade.games.procgen.game import COINRUN, CoinRunGame


@pytest.fixture
def coinrun() -> Iterator[CoinRunGame]:
    if not is_installed():
        pytest.skip("Procgen is not installed")
    game = CoinRunGame(COINRUN, (128, 128))
    yield game
    game.close()
