"""Shares of tokens, heads or rows for a number of devices. No PyTorch: the planner counts with them too."""

from __future__ import annotations

from dreamcade.core.errors import BadInputError


def shares(total: int, parts: int) -> tuple[int, ...]:
    """Sizes as even as they can be, in order; they differ by one at most. The last ones are the larger: the first rank
    plays the game beside its share.

    Raises `BadInputError` where there is less than one for each.
    """
    if not 1 <= parts <= total:
        raise BadInputError(f"{total} can be shared by 1 to {total} devices; got {parts}")
    even, over = divmod(total, parts)
    return tuple(even + (part >= parts - over) for part in range(parts))


def largest_share(total: int, parts: int) -> float:
    """Of all, what the part with most has: `max(shares(total, parts)) / total`, or 1 / total where parts are more."""
    return -(-total // parts) / total


def share_of(total: int, parts: int, part: int) -> slice:
    """Where share number `part` (from 0) lies."""
    sizes = shares(total, parts)
    start = sum(sizes[:part])
    return slice(start, start + sizes[part])
