"""Frames for actions that may come, made in idle time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dreamcade.core.types import ActionVector, FrameTiming
from dreamcade.engine.proposal import Proposal

if TYPE_CHECKING:
    from dreamcade.engine.handle import FrameJob

Key = tuple[float, ...]
"""An action as what it can be found by."""


def key_of(action: ActionVector) -> Key:
    """Equal actions, equal keys."""
    return tuple(action.tolist())


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn frame, encoded, and how long that took."""

    data: bytes
    timing: FrameTiming


@dataclass(eq=False, slots=True)
class Draft:
    """A proposal and, later, its picture.

    `begun` says when its pass began (seconds); `guessed` that its action was not known then. The drawing thread
    fills `picture`, or shows it as `job` where the draft was taken while it was being drawn.
    """

    proposal: Proposal
    begun: float
    guessed: bool
    picture: Picture | None = None
    drawing: bool = False
    job: FrameJob | None = None


@dataclass(slots=True)
class DraftBook:
    """A session's drafts by action. Those for another version of the session are never found: a draft outlives
    neither a tick nor a reset."""

    drafts: dict[Key, Draft] = field(default_factory=dict)

    def add(self, draft: Draft) -> None:
        self.drafts[key_of(draft.proposal.action)] = draft

    def find(self, action: ActionVector, version: int) -> Draft | None:
        """The draft for `action`, if there is one that still holds."""
        draft = self.drafts.get(key_of(action))
        return draft if draft is not None and draft.proposal.version == version else None

    def guesses(self, version: int) -> int:
        """How many of those that still hold were guessed."""
        return sum(draft.guessed and draft.proposal.version == version for draft in self.drafts.values())

    def clear(self) -> int:
        """Drops all; returns how many there were."""
        count = len(self.drafts)
        self.drafts.clear()
        return count
