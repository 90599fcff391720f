"""A session's last ticks, from which it is rebuilt elsewhere, bit for bit.

What a session remembers follows from its last frames' tokens and its last actions alone: keys and values from a frame's
tokens and action, noise from seed and tick. A ring's slot follows from how many frames there were. So as many ticks as
the longest of those memories holds are enough, however long the play; before that the rest comes from the start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector
from dreamcade.dynamics import DynamicsConfig


class Keeper(Protocol):
    """What a session tells of itself, in the thread that computes; it must return at once."""

    def begin(self, seed: int, start: str | None) -> None:
        """It began, or began anew; `start` is None where that was no start of its world."""

    def took(self, tick: int, action: ActionVector, tokens: Tensor, skips: int) -> None:
        """It committed `tick`: `action` float32 `[A]` led to `tokens` `[L, c]`; `skips` as in `Session`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One committed tick: action float32 `[A]`, tokens `[L, c]` as bytes in number format `dtype` (float32, …)."""

    tick: int
    action: ActionVector
    tokens: bytes
    dtype: str
    skips: int = 0

    @classmethod
    def of(cls, tick: int, action: ActionVector, tokens: Tensor, skips: int) -> Entry:
        raw = tokens.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
        return cls(tick, action, raw, str(tokens.dtype).removeprefix("torch."), skips)

    def tensor(self, shape: tuple[int, ...]) -> Tensor:
        """The tokens again. Raises `BadInputError` where they are not of `shape`."""
        dtype = getattr(torch, self.dtype, None)
        if not isinstance(dtype, torch.dtype) or len(self.tokens) != int(np.prod(shape)) * dtype.itemsize:
            raise BadInputError(f"a tick's tokens must be {list(shape)}; got {len(self.tokens)} bytes of {self.dtype}")
        return torch.frombuffer(bytearray(self.tokens), dtype=dtype).reshape(shape)


class Journal:
    """The last `length` ticks of a session that began with `seed` from `start`. It is a `Keeper`."""

    def __init__(self, seed: int, start: str | None, length: int) -> None:
        if length < 1:
            raise BadInputError(f"a journal holds at least 1 tick; got {length}")
        self._entries: deque[Entry] = deque(maxlen=length)
        self.begin(seed, start)

    @property
    def tick(self) -> int:
        """The newest."""
        return self._entries[-1].tick if self._entries else 0

    @property
    def skips(self) -> int:
        return self._entries[-1].skips if self._entries else 0

    @property
    def entries(self) -> Sequence[Entry]:
        """Oldest first."""
        return tuple(self._entries)

    @property
    def length(self) -> int:
        """The most ticks that it holds."""
        return self._entries.maxlen or 0

    def begin(self, seed: int, start: str | None) -> None:
        self.seed, self.start = seed, start
        self._entries.clear()

    def took(self, tick: int, action: ActionVector, tokens: Tensor, skips: int) -> None:
        self.add(Entry.of(tick, action, tokens, skips))

    def add(self, entry: Entry) -> None:
        """The next tick. Raises `BadInputError` for any other."""
        if entry.tick != self.tick + 1:
            raise BadInputError(f"tick {self.tick + 1} comes next in this journal; got {entry.tick}")
        self._entries.append(entry)

    def copy(self) -> Journal:
        """One that goes on by itself."""
        other = Journal(self.seed, self.start, self.length)
        other._entries.extend(self._entries)
        return other

    def pack(self) -> tuple[dict[str, Any], list[bytes]]:
        """As JSON fields and raw parts, for a connection."""
        ticks = [[e.tick, e.action.tolist(), e.dtype, e.skips] for e in self._entries]
        fields = {"seed": self.seed, "start": self.start, "length": self.length, "ticks": ticks}
        return fields, [entry.tokens for entry in self._entries]

    @classmethod
    def unpack(cls, fields: Mapping[str, Any], parts: Sequence[bytes | bytearray]) -> Journal:
        """Inverse of `pack`. Raises `BadInputError`."""
        try:
            journal = cls(int(fields["seed"]), fields["start"], int(fields["length"]))
            for (tick, action, dtype, skips), tokens in zip(fields["ticks"], parts, strict=True):
                entry = Entry(int(tick), np.asarray(action, np.float32), bytes(tokens), str(dtype), int(skips))
                if journal._entries:
                    journal.add(entry)
                else:
                    journal._entries.append(entry)
        except (KeyError, ValueError, TypeError) as error:
            raise BadInputError(f"this is no journal of a session ({error})") from error
        return journal


def journal_length(config: DynamicsConfig) -> int:
    """How many ticks are enough for a world."""
    return max(config.recent, config.memory, config.action_history)


def check_journal(journal: Journal, config: DynamicsConfig) -> None:
    """Raises `BadInputError` where a session of such a world cannot be rebuilt from `journal`."""
    enough = min(journal_length(config), journal.tick)
    if len(journal.entries) < enough:
        raise BadInputError(f"a journal of {enough} ticks is needed to go on at tick {journal.tick}; it has "
                            f"{len(journal.entries)}")  # fmt: skip
    if journal.start is None:
        raise BadInputError("a journal needs the name of the start that its session began from; it has none")
    for entry in journal.entries:
        entry.tensor((config.tokens, config.latent_channels))
        if entry.action.shape != (config.action_size,):
            raise BadInputError(f"an action must be [{config.action_size}]; got {list(entry.action.shape)}")
