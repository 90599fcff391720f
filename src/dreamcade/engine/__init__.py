"""A model becomes a game: sessions, their clock, their inputs, and the loop that keeps time."""

from dreamcade.engine.clock import FixedRateClock
from dreamcade.engine.engine import Engine
from dreamcade.engine.runner import EncodedFrame, GameLoop, Handle
from dreamcade.engine.session import Session

__all__ = ["EncodedFrame", "Engine", "FixedRateClock", "GameLoop", "Handle", "Session"]
