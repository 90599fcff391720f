"""Keeps a world's predictor up to what the players of one loop do, and asks it what they may do next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from dreamcade.core.types import ActionVector
from dreamcade.engine.drafts import Standing
from dreamcade.engine.engine import Engine
from dreamcade.engine.foresight import Foresight
from dreamcade.engine.handle import Handle

LEAST_CHANCE = 0.004
"""Less likely actions are not drafted, even where there is time."""

Fail = Callable[[Handle, Exception], None]


class Expectations:
    """Works in the loop's thread. In a world without a predictor nothing is expected."""

    def __init__(self, engine: Engine, fail: Fail) -> None:
        self._engine, self._fail = engine, fail
        predictor = engine.world.predictor
        self._foresight = None if predictor is None else Foresight(predictor)

    def tell(self, took: Mapping[Handle, int]) -> None:
        """Handles have taken a tick under their `used` input; before it their sessions were of these versions."""
        if self._foresight is None or not took:
            return
        try:
            self._begin(self._foresight, [handle for handle, version in took.items() if handle.course.known != version])
            actions = np.stack([handle.used.action for handle in took])
            self._foresight.tell([handle.session.row for handle in took], actions)
        except Exception as error:
            if len(took) == 1:
                self._fail(next(iter(took)), error)
                return
            for handle, version in took.items():  # as for ticks: alone, each answers for itself
                self.tell({handle: version})
            return
        for handle in took:
            handle.course.known = handle.session.version

    def guesses(self, standings: Mapping[Handle, Standing], breadth: int) -> list[tuple[Handle, ActionVector]]:
        """Up to `breadth` next actions of each handle that stands so, likeliest first, less those that have drafts."""
        known = [h for h in standings if h.course.known == h.session.version and h.course.foreknowledge.worthwhile]
        if self._foresight is None or not known:
            return []
        likeliest = self._foresight.likeliest([h.session.row for h in known], breadth, LEAST_CHANCE)
        named = [(handle, action) for handle, own in zip(known, likeliest, strict=True) for action in own]
        return [(h, action) for h, action in named if h.course.book.find(action, standings[h]) is None]

    def _begin(self, foresight: Foresight, handles: Sequence[Handle]) -> None:
        """Those that it does not know as they were: they are new here, or were reset, restored or stepped by others."""
        if handles:
            histories = np.stack([self._engine.history(handle.session)[:-1] for handle in handles])
            foresight.begin([handle.session.row for handle in handles], histories)
