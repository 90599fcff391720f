"""One player's running world."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any

from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.core.types import Frame
from dreamcade.engine.journal import Journal, Keeper
from dreamcade.engine.opening import Opening, open_frames, open_start
from dreamcade.engine.proposal import Proposal
from dreamcade.engine.snapshot import Snapshot, pack

if TYPE_CHECKING:
    from dreamcade.engine.engine import Action, Engine

_STATE, _OPENING = "state.", "opening."


class Session:
    """Made by `Engine.open_session`. Same seed, actions, device and build: same frames.

    `tick` counts the steps since the session began or was reset or primed, `skips` the extrapolated frames at its end;
    `version` is another after every change of what is remembered; `curvature` is the engine's note of how the latents
    bend, made when somebody asks. `keeper` is told of every beginning and every tick.
    """

    def __init__(self, engine: Engine, row: int, seed: int, opening: Opening) -> None:
        self.engine = engine
        self.row = row
        self.seed = seed
        self.closed = False
        self.version = self.skips = 0
        self.curvature: float | None = None
        self.keeper: Keeper | None = None
        self._opening = opening
        self._frame: Frame | None = None
        self._begin()

    @classmethod
    def from_snapshot(cls, engine: Engine, row: int, snapshot: Snapshot) -> Session:
        """Continues `snapshot` in `row`. Raises `KeyError`, `RuntimeError` or `BadInputError` where it does not fit."""
        session = cls.__new__(cls)
        session.engine, session.row, session.seed, session.closed = engine, row, snapshot.seed, False
        session.version, session.keeper, tensors = 0, None, snapshot.tensors
        session._opening = _stored_opening(engine, snapshot)
        engine.write_row(row, {name.removeprefix(_STATE): t for name, t in tensors.items() if name.startswith(_STATE)})
        session.tick, session.skips, session.curvature, session._frame = snapshot.tick, snapshot.skips, None, None
        return session

    @classmethod
    def from_journal(cls, engine: Engine, row: int, journal: Journal) -> Session:
        """Continues the session that kept `journal` in `row`."""
        session = cls.__new__(cls)
        session.engine, session.row, session.seed, session.closed = engine, row, journal.seed, False
        session.version, session.keeper, session.curvature, session._frame = 0, None, None, None
        session._opening = open_start(engine.world, journal.start)
        engine.passes.replay(row, session._opening, journal)
        session.tick, session.skips = journal.tick, journal.skips
        return session

    @property
    def frame(self) -> Frame:
        """The newest frame; drawn now, where a game loop plays the session or it has just begun."""
        return self.engine.home.run(self._newest_frame)

    def step(self, action: Action) -> Frame:
        """The next frame under `action` (names, or a vector `[A]`). Raises `BadInputError`."""
        return self.engine.step_many({self: action})[self]

    def prime(self, frames: Any, actions: Any) -> Frame:
        """Begins anew from real play: `frames` uint8 `[T, H, W, 3]`, `actions` `[T, A]`, each the action taken *after*
        seeing its frame. The session then shows `frames[T-1]` as the codec draws it; the last action is not applied,
        since the next step brings its own. Raises `BadInputError` and changes nothing."""
        return self.engine.home.run(lambda: self._open(self.seed, open_frames(self.engine.world, frames, actions)))

    def reset(self, seed: int | None = None, start: str | int | None = None) -> Frame:
        """Begins anew: with another seed (none: the same), from another start (none: what it began with)."""
        if seed is not None:
            check_seed(seed)

        def reset() -> Frame:
            opening = self._opening if start is None else open_start(self.engine.world, start)
            return self._open(self.seed if seed is None else int(seed), opening)

        return self.engine.home.run(reset)

    def snapshot(self) -> bytes:
        """Everything that is needed to continue, as bytes for `Engine.restore_session`."""
        return pack(self.engine.home.run(self._take_snapshot))

    def close(self) -> None:
        """Gives the session's memory back; closing twice is fine."""
        self.engine.home.run(self._release)

    def advance(self, extrapolated: bool = False) -> int:
        """The engine has committed the next tick; returns its number."""
        self.tick += 1
        self.skips = self.skips + 1 if extrapolated else 0
        self._changed()
        return self.tick

    def committed(self, proposal: Proposal) -> None:
        """The engine has advanced it by `proposal`."""
        if self.keeper is not None:
            self.keeper.took(self.tick, proposal.action, proposal.tokens, self.skips)

    def shown(self, frame: Frame) -> None:
        """The engine has drawn `frame`, the newest."""
        self._frame = frame

    def _newest_frame(self) -> Frame:
        if self._frame is None or self._frame.tick != self.tick:
            [self._frame] = self.engine.draw([self.engine.newest(self)])
        return self._frame

    def _take_snapshot(self) -> Snapshot:
        self.engine.check(self)
        tensors = {_STATE + name: tensor for name, tensor in self.engine.read_row(self.row).items()}
        if self._opening.start is None:  # a shipped start is found again by its name
            tensors[_OPENING + "latents"] = self._opening.latents
            tensors[_OPENING + "actions"] = self._opening.actions
        world = self.engine.world
        return Snapshot(
            world.manifest.name, world.identity, self.tick, self.seed, self._opening.start, tensors, self.skips
        )

    def _release(self) -> None:
        if not self.closed:
            self.closed = True
            self.engine.release(self.row)

    def _open(self, seed: int, opening: Opening) -> Frame:
        self.engine.check(self)
        self.seed, self._opening = seed, opening
        return self._begin()

    def _begin(self) -> Frame:
        self.engine.observe(self.row, self._opening)
        self.tick, self.skips, self._frame = 0, 0, None
        self._changed()
        if self.keeper is not None:
            self.keeper.begin(self.seed, self._opening.start)
        return self.frame

    def _changed(self) -> None:
        self.version += 1
        self.curvature = None


def check_seed(seed: Any) -> None:
    """Raises `BadInputError` unless `seed` is a whole number from 0 to 2⁶³ − 1."""
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or not 0 <= int(seed) < 2**63:
        raise BadInputError(f"a seed must be a whole number from 0 to 2^63 - 1; got {seed!r}")


def _stored_opening(engine: Engine, snapshot: Snapshot) -> Opening:
    if snapshot.start is None:
        return Opening(snapshot.tensors[_OPENING + "latents"], snapshot.tensors[_OPENING + "actions"])
    try:
        return open_start(engine.world, snapshot.start)
    except UnknownNameError:  # same weights, other starts: play continues, and a reset goes to the first of them
        return open_start(engine.world, None)
