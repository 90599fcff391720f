"""Every error that a caller can cause. The command line prints its one line and exits with 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DreamcadeError(Exception):
    """Base of all errors whose message says what was expected, what came, and what to do."""


class BadInputError(DreamcadeError):
    """An argument, a frame or an action of the wrong shape, dtype, range or value."""


class UnknownNameError(BadInputError):
    """A name that does not exist; the message suggests the nearest one that does."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names) or 'none'}."
        super().__init__(f"unknown {kind} {name!r}; {hint}")
        self.name = name
        self._made_of = (kind, name, names)

    def __reduce__(self) -> tuple[type[UnknownNameError], tuple[str, str, list[str]]]:
        return type(self), self._made_of


class DatasetError(DreamcadeError):
    """A dataset or an episode that is missing, damaged, or of a newer format."""


class WorldError(DreamcadeError):
    """A world bundle that is missing, damaged, or of a newer format."""


class CheckpointError(DreamcadeError):
    """A training checkpoint that cannot be read or written."""


class MissingExtraError(DreamcadeError):
    """An optional package is needed; the message names the extra that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional package; install it with: pip install 'dreamcade[{extra}]'")
        self._made_of = (what, extra)

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), self._made_of


class GameError(DreamcadeError):
    """A real game that stopped working."""


class GameNotInstalledError(DreamcadeError):
    """A game that is not set up on this machine; the message names the command that does it."""

    def __init__(self, what: str, command: str) -> None:
        super().__init__(f"{what}, which is not set up yet; set it up with: {command}")
        self._made_of = (what, command)

    def __reduce__(self) -> tuple[type[GameNotInstalledError], tuple[str, str]]:
        return type(self), self._made_of


class RankLostError(DreamcadeError):
    """A process of a group stopped answering; the message says which group and what to do."""
