"""The head's side of the decoders: whole frames by turns, or each in strips, delivered in order, with back-pressure."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from torch import Tensor

from dreamcade.cluster.turns import Turn, Turns
from dreamcade.evaluation.paper.spread.artists import Artist, Drawn, Own

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dreamt:
    """A latent `[1, c, h, w]` on the CPU: when its action was read (seconds of `time.perf_counter`), and the
    milliseconds that its passes took."""

    latents: Tensor
    asked: float
    dit_ms: float


@dataclass(frozen=True, slots=True)
class Made:
    """A frame by its number, from 0: pixels uint8 `[1, H, W, 3]` on the CPU. `latency_ms` from its action to here;
    beyond passes and drawing, it was on its way or waited."""

    number: int
    pixels: Tensor
    dit_ms: float
    draw_ms: float
    latency_ms: float
    at: float
    """When it was here, in seconds of `time.perf_counter`."""


class Pictures:
    """One frame more than there are decoders may be on its way: while each draws, the next one is handed over.

    One thread submits and arranges; answers come in others.
    """

    def __init__(self) -> None:
        self._turns: Turns[Dreamt, Made] | None = None
        self._artists: dict[str, Artist] = {}
        self._stir = threading.Condition()
        self._ready: deque[Made] = deque()
        self._error: BaseException | None = None
        self._lost = False

    @property
    def whole(self) -> bool:
        """Whether none of the artists that were arranged has failed."""
        return not self._lost

    @property
    def artists(self) -> tuple[Artist, ...]:
        return tuple(self._artists.values())

    @property
    def on_their_way(self) -> int:
        """Frames that were submitted, and neither came nor were skipped."""
        with self._stir:
            return 0 if self._turns is None else len(self._turns.on_their_way)

    @property
    def skipped(self) -> int:
        """Frames that were lost with their decoder, and older than the newest: nobody waits for them any more."""
        return 0 if self._turns is None else self._turns.skipped

    def arrange(self, artists: Sequence[Artist]) -> None:
        """These draw from now on; what those before had is lost, but for the newest frame."""
        with self._stir:
            self._artists = {artist.name: artist for artist in artists}
            self._lost = False
            if self._turns is None:
                self._turns = Turns(list(self._artists), queue=2)
            there = self._turns.decoders
            given = [self._turns.join(name) for name in self._artists if name not in there]
            given += [self._turns.lose(name) for name in there if name not in self._artists]
            self._deliver()
        self._send(given)

    def room(self, seconds: float) -> bool:
        """Whether one more frame may be on its way, after waiting for that for so long at most."""
        with self._stir:
            return self._wait(self._has_room, seconds)

    def idle(self, seconds: float) -> bool:
        """Whether no frame is on its way, likewise."""
        with self._stir:
            return self._wait(lambda: self._turns is None or not self._turns.on_their_way, seconds)

    def submit(self, dreamt: Dreamt) -> int:
        """Hands over the next frame, for which there is `room` → its number."""
        with self._stir:
            assert self._turns is not None
            turn = self._turns.submit(dreamt)
            # Where all artists were lost meanwhile, it waits for those that come.
            assert turn is not None, "who submits has looked whether there is room"
        self._send([turn])
        return turn.number

    def take(self) -> list[Made]:
        """All frames that are here, in order; each only once."""
        with self._stir:
            taken = list(self._ready)
            self._ready.clear()
            return taken

    def _has_room(self) -> bool:
        turns = self._turns
        return turns is not None and turns.takes and len(turns.on_their_way) <= len(turns.decoders)

    def _wait(self, true: Callable[[], bool], seconds: float) -> bool:
        self._stir.wait_for(lambda: self._error is not None or self._lost or true(), seconds)
        if self._error is not None:
            raise self._error
        return true()

    def _send(self, turns: Sequence[Turn[Dreamt] | None]) -> None:
        for turn in turns:
            if turn is not None:
                with self._stir:
                    artist = self._artists.get(str(turn.decoder))
                if artist is not None:
                    self._draw(turn, artist)

    def _draw(self, turn: Turn[Dreamt], artist: Artist) -> None:
        artist.draw(turn.frame.latents).add_done_callback(lambda done: self._drawn(turn, artist, done))

    def _drawn(self, turn: Turn[Dreamt], artist: Artist, done: Future[Drawn]) -> None:
        error = done.exception()
        with self._stir:
            assert self._turns is not None
            if error is None:
                given = self._turns.finish(turn.number, turn.decoder, _made(turn, done.result()))
            else:
                logger.info("%s failed to draw frame %d: %s", artist.name, turn.number, error)
                given = self._turns.lose(turn.decoder)
                if self._artists.pop(artist.name, None) is not None:
                    self._lost = True
                if isinstance(artist, Own):
                    self._error = error
            self._deliver()
        self._send([given])

    def _deliver(self) -> None:
        assert self._turns is not None
        self._ready.extend(made for _, made in self._turns.deliver())
        self._stir.notify_all()


def _made(turn: Turn[Dreamt], drawn: Drawn) -> Made:
    now, dreamt = time.perf_counter(), turn.frame
    return Made(turn.number, drawn.pixels, dreamt.dit_ms, drawn.draw_ms, 1e3 * (now - dreamt.asked), now)
