"""The real game behind the same page: a person plays it, and every play becomes an episode.

One thread owns a play: it keeps the game's tick rate, shows each frame, and hands it with its action to the dataset's
writer. So a play is on disk when it ends, and whoever leaves in the middle loses nothing but what is too short.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from dreamcade.core.errors import GameError
from dreamcade.core.types import ActionVector, FrameTiming, Pixels
from dreamcade.dataset.format import EpisodeInfo
from dreamcade.dataset.writer import DatasetWriter, write_episode
from dreamcade.engine.clock import FixedRateClock, RateMeter
from dreamcade.engine.handle import EncodedFrame
from dreamcade.engine.mailbox import Input, Mailbox
from dreamcade.games.base import Game
from dreamcade.games.recorder import Moment
from dreamcade.server.encoding import encode_jpeg
from dreamcade.server.game_world import GameManifest, GameStart, GameWorld
from dreamcade.server.stage import OnError, OnNotice, Sink, Stage, WithoutModes

SHORTEST_SECONDS = 2.0
"""A play that ends sooner is not kept: a page that was reloaded, a start that was not meant."""

logger = logging.getLogger(__name__)


class _TooShort(Exception):
    """The play is over before it was worth keeping."""


@dataclass(slots=True)
class GameSession:
    """A person's play that is about to begin."""

    seed: int
    start: str | None = None

    def close(self) -> None:
        """Nothing is held before it is attached."""


class GameEngine:
    """Opens plays of the real game."""

    def open_session(self, seed: int = 0, start: str | None = None) -> GameSession:
        return GameSession(seed % 2**31, start)


class GamePlay(WithoutModes):
    """One person at one game: a thread that ticks, shows and records until `detach`.

    Recording goes on across episodes of at most `ticks` ticks; a reset begins a new one.
    """

    def __init__(self, recording: Recording, session: GameSession, sink: Sink, on_error: OnError | None) -> None:
        self._recording, self._sink, self._on_error = recording, sink, on_error
        self._seed = session.seed
        self._mailbox = Mailbox(recording.controls.idle())
        self._used, _ = self._mailbox.take()
        self._timing = FrameTiming()
        self._changed = threading.Condition()
        self._paused = self._over = self._reset = False
        self._broken: GameError | None = None
        self._meter, self._late, self._tick = RateMeter(), 0, 0
        self._thread = threading.Thread(target=self._run, name="dreamcade-real-game", daemon=True)
        self._thread.start()

    def input(self, action: ActionVector, sequence: int, client_ms: float) -> None:
        checked = self._recording.controls.validate(action)
        self._mailbox.put(Input(checked, int(sequence), float(client_ms), time.perf_counter()))

    def pause(self) -> None:
        with self._changed:
            self._paused = True

    def resume(self) -> None:
        with self._changed:
            self._paused, self._meter = False, RateMeter()
            self._changed.notify_all()

    def reset(self, seed: int | None = None, start: str | None = None) -> None:
        """Ends the episode and begins the game anew, with another seed."""
        with self._changed:
            self._seed = self._seed + 1 if seed is None else seed % 2**31
            self._reset = True
            self._changed.notify_all()

    def detach(self) -> None:
        """Ends the play; the episode is on disk when this returns."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        try:
            game = self._recording.make_game()
        except Exception as error:
            self._fail(error)
            return
        try:
            frame = game.reset(self._seed)
            while not self._over:
                frame = self._record(game, frame)
        except Exception as error:
            self._fail(error)
        finally:
            game.close()

    def _record(self, game: Game, frame: Pixels) -> Pixels:
        """One episode; returns the frame that the next begins with."""
        newest = [frame]
        self._recording.store(self._moments(game, newest))
        if self._broken is not None:
            raise self._broken
        if self._reset:
            self._reset = False
            return game.reset(self._seed)
        return newest[0]

    def _moments(self, game: Game, newest: list[Pixels]) -> Iterator[Moment]:
        """Plays in real time; `newest` keeps the last frame."""
        clock = FixedRateClock(game.tick_rate)
        clock.start(time.perf_counter())
        shortest = round(SHORTEST_SECONDS * game.tick_rate)
        for count in range(self._recording.ticks):
            self._show(newest[0])
            if not self._wait(clock):
                if count < shortest:
                    raise _TooShort
                return
            taken, (self._used, fresh) = time.perf_counter(), self._mailbox.take()
            columns: dict[str, float | bool | str] = {**game.state(), "style": "human"}
            try:
                following, reward, terminated, truncated = game.step(self._used.action)
            except GameError as error:
                if count < shortest:
                    raise
                self._broken = error  # what has been played is kept
                return
            columns |= {"reward": reward, "terminated": terminated}
            stepped = (time.perf_counter() - taken) * 1000.0
            waited = (taken - self._used.received) * 1000.0 if fresh else 0.0
            self._timing = FrameTiming(dynamics_ms=stepped, wait_ms=waited)
            yield Moment(newest[0], self._used.action, columns)
            newest[0] = following
            if terminated or truncated:
                self._seed, self._reset = self._seed + 1, True
                return

    def _wait(self, clock: FixedRateClock) -> bool:
        """Until the next tick is due; False where the episode is to end."""
        with self._changed:
            paused = self._paused
            self._changed.wait_for(lambda: not self._paused or self._over or self._reset)
            if paused:
                clock.start(time.perf_counter())
            while not (self._over or self._reset) and (wait := clock.seconds_until_due(time.perf_counter())) > 0:
                self._changed.wait(wait)
            if self._over or self._reset:
                return False
        self._late += clock.take(time.perf_counter())
        return True

    def _show(self, frame: Pixels) -> None:
        """Shows what the last step has led to, and which input that step used."""
        began = time.perf_counter()
        data = encode_jpeg(frame)
        now = time.perf_counter()
        encode_ms = (now - began) * 1000.0
        timing = replace(self._timing, encode_ms=encode_ms, ready_ms=self._timing.dynamics_ms + encode_ms)
        used, rate = self._used, self._meter.mark(now)
        self._sink(EncodedFrame(data, self._tick, used.sequence, used.client_ms, timing, self._late, rate))
        self._tick += 1

    def _fail(self, error: Exception) -> None:
        logger.error("the real game failed", exc_info=error)
        if self._on_error is not None:
            self._on_error(error)


class Recording:
    """Where plays go: the dataset, and how the game is made. Several people may play at once.

    `told(info)` is called for every episode that is stored.
    """

    def __init__(
        self, writer: DatasetWriter, make_game: Callable[[], Game], ticks: int, first_seed: int,
        told: Callable[[EpisodeInfo], None],
    ) -> None:  # fmt: skip
        self.writer, self.make_game, self.ticks = writer, make_game, ticks
        self.controls = writer.meta.controls
        self._told = told
        self._next = max([first_seed, *(e.seed + 1 for e in writer.episodes)])
        self._lock = threading.Lock()

    def store(self, moments: Iterator[Moment]) -> None:
        """Writes an episode as it is played; one that is too short leaves nothing."""
        with self._lock:
            seed, self._next = self._next, self._next + 1
            [(_, split)] = self.writer.missing([seed])
        try:
            info = write_episode(self.writer.path, self.writer.meta, seed, split, moments)
        except _TooShort:
            return
        with self._lock:
            self.writer.add(info)
        self._told(info)


class GameLoop:
    """Attaches people to the game."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._plays: list[GamePlay] = []

    def attach(
        self, session: GameSession, sink: Sink, on_error: OnError | None = None, on_notice: OnNotice | None = None
    ) -> GamePlay:
        """Begins to play. A real game has nothing to give notice of."""
        self._plays.append(GamePlay(self._recording, session, sink, on_error))
        return self._plays[-1]

    def stop(self) -> None:
        """Ends every play; what was played is on disk."""
        for play in self._plays:
            play.detach()


def real_game_stage(recording: Recording) -> Stage:
    """The stage on which a person plays the real game."""
    meta = recording.writer.meta
    game = recording.make_game()
    thumbnail = encode_jpeg(game.reset(0))
    game.close()
    manifest = GameManifest(
        name=meta.game.rpartition(":")[2].replace("/", "-"),
        title=meta.game.rpartition(":")[2],
        description="The real game. Everything that you play is recorded.",
        game=meta.game,
        controls=meta.controls,
        frame_size=meta.frame_size,
        tick_rate=meta.tick_rate,
    )
    return Stage(GameWorld(manifest, (GameStart(thumbnail),)), GameEngine(), GameLoop(recording))
