"""What a model is handed where several devices share its frames: each has some tokens, and for attention some heads.

Outside attention every operation is one token's own, so each device has a share of the tokens and nothing to ask.
Attention needs all tokens, but each head is on its own: going in, tokens are exchanged for heads, coming out, heads for
tokens (DeepSpeed-Ulysses; Jacobs et al. 2023, arXiv 2309.14509). What is remembered of past frames lies where its heads
are and never moves. The model knows this protocol and nothing of devices; by default there is nobody to share with.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Exchange(Protocol):
    """One device's side, for a model of L tokens and H heads. All devices call the same methods in the same order."""

    @property
    def tokens(self) -> slice:
        """Which of the L tokens are this device's."""

    @property
    def heads(self) -> slice:
        """Which of the H heads are this device's."""

    def own(self, x: Tensor) -> Tensor:
        """All tokens `[…, L, D]` → this device's `[…, l, D]`; nothing is sent."""

    def to_heads(self, x: Tensor, parts: int) -> Tensor:
        """Own tokens, all heads `[B, l, parts·H·d]` → all tokens, own heads `[B, L, parts·h·d]`. The parts are queries,
        keys and values, which so take one exchange."""

    def to_tokens(self, x: Tensor, parts: int) -> Tensor:
        """All tokens, own heads `[B, L, parts·h·d]` → own tokens, all heads `[B, l, parts·H·d]`."""

    def gather(self, x: Tensor) -> Tensor:
        """Own tokens `[B, l, P]` → all of them, `[B, L, P]`, the same numbers on every device."""


class Alone:
    """One device has everything: nothing is copied, nothing waits."""

    tokens = slice(None)
    heads = slice(None)

    def own(self, x: Tensor) -> Tensor:
        return x

    def to_heads(self, x: Tensor, parts: int) -> Tensor:
        return x

    def to_tokens(self, x: Tensor, parts: int) -> Tensor:
        return x

    def gather(self, x: Tensor) -> Tensor:
        return x


ALONE: Exchange = Alone()
"""The default everywhere."""


def share_size(share: slice, total: int) -> int:
    """How many of `total` tokens or heads a share is."""
    return len(range(total)[share])
