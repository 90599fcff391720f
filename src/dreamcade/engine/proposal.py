"""Frames on their way: proposed for an action, then dreamed (the world is a tick further), then drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from dreamcade.core.types import ActionVector, FrameKind
from dreamcade.engine.stages import Stopwatch

if TYPE_CHECKING:
    from dreamcade.engine.session import Session


@dataclass(frozen=True, slots=True)
class Dreamed:
    """A frame that is not drawn: its latent `[c, h, w]`, its tick, how long it took and how it came about."""

    latent: Tensor
    tick: int
    watch: Stopwatch
    kind: FrameKind = FrameKind.COMPUTED


@dataclass(frozen=True, slots=True)
class Proposal:
    """What comes next in `session` if `action` float32 `[A]` is taken: tokens `[L, c]` outside of the session's state.

    It can be committed as long as the session is at `version`; to drop it is to forget it.
    """

    session: Session
    version: int
    action: ActionVector
    tokens: Tensor
    dreamed: Dreamed
