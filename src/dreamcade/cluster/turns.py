"""Whole frames by turns: which decoder gets the next one, and delivery in order. Plain Python: no clock, no thread.

Frames are numbered as they are submitted, 0, 1, 2 …; every frame ends exactly once, delivered or skipped, and frames
are delivered in the order of their numbers. At most `depth` frames are on their way (being drawn, or drawn and waiting
for an earlier one); while there are so many, nothing is taken: that is the back-pressure.

A decoder that is lost takes its frames along. The newest frame of all is worth drawing again, so it is given to another
decoder; older ones are skipped: their time is over before they could come, and what follows them need not wait.
What comes of a lost decoder later, or of a frame that was given to another, is ignored.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from dreamcade.core.errors import BadInputError

FrameT = TypeVar("FrameT")
ResultT = TypeVar("ResultT")
Decoder = Hashable


@dataclass(frozen=True, slots=True)
class Turn(Generic[FrameT]):
    """Decoder `decoder` is to draw `frame`, which has this `number`."""

    number: int
    decoder: Decoder
    frame: FrameT


@dataclass(slots=True)
class _OnItsWay(Generic[FrameT, ResultT]):
    """A frame that has not ended. It waits for a decoder (None), is being drawn by one, or is drawn (`done`)."""

    frame: FrameT
    decoder: Decoder | None = None
    done: bool = False
    result: ResultT | None = None


class Turns(Generic[FrameT, ResultT]):
    """Who draws which frame. Whoever carries it out sends what `submit`, `lose`, `join` and `finish` hand back to its
    decoder, and shows what `deliver` hands back.

    Not thread-safe: hold one lock around each call (none of them waits). `queue` is how many frames a decoder may have
    at once: 2 keeps it busy while the result of one is under way. `depth` is by default what fills all decoders.

    Raises `BadInputError` for no decoder, one that is named twice, or a `depth` or `queue` below 1.
    """

    def __init__(self, decoders: Iterable[Decoder], *, depth: int | None = None, queue: int = 1) -> None:
        named = list(decoders)
        if not named or len(set(named)) < len(named):
            raise BadInputError(f"decoders must be at least one, each named once; got {named}")
        if queue < 1 or (depth is not None and depth < 1):
            raise BadInputError(f"queue and depth must be at least 1; got {queue} and {depth}")
        self._queue, self._depth = queue, depth
        # In the order of their turns: who has just been given a frame is the last.
        self._given: OrderedDict[Decoder, int] = OrderedDict((decoder, 0) for decoder in named)
        self._frames: OrderedDict[int, _OnItsWay[FrameT, ResultT]] = OrderedDict()
        self._next = 0
        self.skipped = 0

    @property
    def decoders(self) -> tuple[Decoder, ...]:
        """Those that are there, the next in turn first."""
        return tuple(self._given)

    @property
    def depth(self) -> int:
        """How many frames may be on their way."""
        return self._depth or max(1, self._queue * len(self._given))

    @property
    def on_their_way(self) -> tuple[int, ...]:
        """Numbers of frames that have not ended."""
        return tuple(self._frames)

    @property
    def takes(self) -> bool:
        """Whether a frame can be submitted: less than `depth` are on their way, and some decoder has room."""
        return len(self._frames) < self.depth and self._free() is not None

    def submit(self, frame: FrameT) -> Turn[FrameT] | None:
        """The turn for this frame, which has the next number; None while none is taken: it has no number then, and the
        caller waits with it, or drops it for a newer one."""
        if not self.takes:
            return None
        number, self._next = self._next, self._next + 1
        self._frames[number] = _OnItsWay(frame)
        return self._give(number)

    def finish(self, number: int, decoder: Decoder, result: ResultT) -> Turn[FrameT] | None:
        """This decoder has drawn this frame. It may get one that waits for a decoder. What nobody waits for any more,
        or what another was to draw, is ignored."""
        on_its_way = self._frames.get(number)
        if on_its_way is None or on_its_way.done or on_its_way.decoder != decoder or decoder not in self._given:
            return None
        on_its_way.done, on_its_way.result = True, result
        self._given[decoder] -= 1
        return self._give_waiting()

    def deliver(self) -> list[tuple[int, ResultT]]:
        """All frames whose turn has come to be shown, in order; each only once."""
        ready: list[tuple[int, ResultT]] = []
        while self._frames:
            number, first = next(iter(self._frames.items()))
            if not first.done:
                break
            del self._frames[number]
            ready.append((number, first.result))  # type: ignore[arg-type]
        return ready

    def lose(self, decoder: Decoder) -> Turn[FrameT] | None:
        """This decoder is gone. Of what it had, the newest frame of all is given to another one, now or when one has
        room (`finish`, `join`); the rest is skipped."""
        if self._given.pop(decoder, None) is None:
            return None
        newest = self._next - 1
        for number, on_its_way in list(self._frames.items()):
            if on_its_way.done or on_its_way.decoder != decoder:
                continue
            if number == newest:
                on_its_way.decoder = None
            else:
                del self._frames[number]
                self.skipped += 1
        return self._give_waiting()

    def join(self, decoder: Decoder) -> Turn[FrameT] | None:
        """A decoder has come. One that was lost comes back under a new name, so that what it still sends as what it was
        is told apart. Raises `BadInputError` for one that is there."""
        if decoder in self._given:
            raise BadInputError(f"decoder {decoder!r} is there already; lose it first")
        self._given[decoder] = 0
        self._given.move_to_end(decoder, last=False)
        return self._give_waiting()

    def _give_waiting(self) -> Turn[FrameT] | None:
        """A frame that waits for a decoder gets the first that has room; so nothing newer is taken before it."""
        waiting = next((number for number, way in self._frames.items() if way.decoder is None), None)
        return None if waiting is None or self._free() is None else self._give(waiting)

    def _give(self, number: int) -> Turn[FrameT]:
        decoder = self._free()
        assert decoder is not None, "who gives has looked whether somebody is free"
        self._given[decoder] += 1
        self._given.move_to_end(decoder)
        self._frames[number].decoder = decoder
        return Turn(number, decoder, self._frames[number].frame)

    def _free(self) -> Decoder | None:
        """Who has least to do, and of those whose turn it is; None where all have as much as they may."""
        least = min(self._given, key=lambda decoder: self._given[decoder], default=None)
        return None if least is None or self._given[least] >= self._queue else least
