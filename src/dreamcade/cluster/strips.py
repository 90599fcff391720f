"""Decoders of one picture, each a rank of a group that draws a strip of it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from dreamcade.cluster.byte_buffers import ByteBuffers
from dreamcade.cluster.process_group import Group
from dreamcade.cluster.shares import shares
from dreamcade.cluster.strip_costs import aligned
from dreamcade.codec.strips import Rows, Strips


def strips_of(group: Group, height: int) -> Strips:
    """This rank's strip of latents of so many rows; strips are as even as can be, and may differ by one row.

    Raises `BadInputError` where there are fewer rows than ranks.
    """
    return Strips(GroupExchange(group), shares(height, group.size))


class GroupExchange:
    """`codec.strips.RowExchange` between the ranks of a group: what a rank has for another goes in one message, and all
    messages of a call are under way at once. Numbers of any type are sent as the bytes that they are.

    Buffers are kept, so that a frame allocates nothing; for a CUDA graph run what is captured once before. One thread
    at a time. Calls raise `RankLostError` where a rank is gone, or has not answered within the group's patience.
    """

    def __init__(self, group: Group) -> None:
        self._group = group
        self._buffers = ByteBuffers()

    @property
    def index(self) -> int:
        return self._group.rank

    @property
    def count(self) -> int:
        return self._group.size

    def swap(self, rows: Rows) -> None:
        self._exchange(None, rows)

    def collect(self, x: Tensor, rows: Rows | None = None) -> Tensor:
        everybodys = x.new_empty((self.count, *x.shape))
        everybodys[self.index] = x
        self._exchange(everybodys, rows)
        return everybodys

    def _exchange(self, everybodys: Tensor | None, rows: Rows | None) -> None:
        """To each rank: this one's part of `everybodys`, then a row if it is a neighbour; from each the same."""
        given: list[list[Tensor]] = [[] for _ in range(self.count)]
        taken: list[list[Tensor]] = [[] for _ in range(self.count)]
        if everybodys is not None:
            for rank in range(self.count):
                if rank != self.index:
                    given[rank].append(everybodys[self.index])
                    taken[rank].append(everybodys[rank])
        if rows is not None:
            for rank, row, border in ((-1, rows.first, rows.above), (1, rows.last, rows.below)):
                if border is not None:
                    given[self.index + rank].append(row)
                    taken[self.index + rank].append(border)
        sizes = [sum(aligned(part.nbytes) for part in parts) for parts in given]
        device = next(part.device for parts in given for part in parts)
        sent, received = (self._buffers.take(name, sum(sizes), device) for name in ("sent", "received"))
        for place, part in _places(sent, given):
            place.copy_(part)
        self._group.all_to_all(received, sent, sizes, sizes)
        for place, part in _places(received, taken):
            part.copy_(place)


def _places(message: Tensor, parts: Sequence[Sequence[Tensor]]) -> list[tuple[Tensor, Tensor]]:
    """Where in a message each rank's parts lie, in their shape and type; and the parts."""
    places, start = [], 0
    for part in (part for of_rank in parts for part in of_rank):
        places.append((message[start : start + part.nbytes].view(part.dtype).view(part.shape), part))
        start += aligned(part.nbytes)
    return places
