"""Processes that exchange bytes with each other: a group of `torch.distributed`, with an end to every wait.

A group belongs to nobody but its maker: nothing global is set, so a process can leave one and join the next, which is
how the survivors of a loss go on. On a CPU (gloo) a rank that dies ends the others' exchange at once, one that hangs
after `patience` seconds; both raise `RankLostError`. On GPUs (NCCL) an exchange is only put into the stream, where it
may wait for ever: whoever supervises the processes must watch the clock, and `abandon` the group.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import PrefixStore, Store

from dreamcade.cluster.meeting_place import MEETING
from dreamcade.core.errors import BadInputError, RankLostError

PATIENCE = 0.8
"""Seconds for one exchange: what hangs is noticed within a second."""


class Group:
    """One rank's place among `size`. `exchanges` and `sent_bytes` (to others) count since the group was joined.

    `patience` may be set at any time: a first frame, in which kernels are compiled, deserves more.
    """

    def __init__(self, rank: int, size: int, backend: Any, patience: float = PATIENCE) -> None:
        self.rank, self.size, self.patience = rank, size, patience
        self.exchanges = self.sent_bytes = 0
        self._backend = backend

    @classmethod
    def join(
        cls, store: Store, name: str, rank: int, size: int, *, host: str = "127.0.0.1",
        device: torch.device | str = "cpu", meeting: float = MEETING, patience: float = PATIENCE,
    ) -> Group:  # fmt: skip
        """All ranks of a group give the same `name`, which no group before had at this store (`meeting_place.py`).
        `host`: this machine's address as the others reach it.

        Raises `RankLostError` where not all have come after `meeting` seconds.
        """
        if not 0 <= rank < size:
            raise BadInputError(f"a rank of {size} is 0 to {size - 1}; got {rank}")
        own, device = PrefixStore(name, store), torch.device(device)
        make = _nccl if device.type == "cuda" else _gloo
        try:
            backend = make(own, rank, size, host, timedelta(seconds=meeting))
        except (dist.DistError, RuntimeError) as error:
            raise RankLostError(
                f"group {name!r}: not all of {size} ranks came within {meeting:g} s ({_first_line(error)}); "
                "look whether every process runs, and form a group of those that do"
            ) from error
        return cls(rank, size, backend, patience)

    def all_to_all(self, received: Tensor, sent: Tensor, from_each: Sequence[int], to_each: Sequence[int]) -> None:
        """Bytes uint8 `sent`, `to_each` rank so many, in order → `received`, `from_each` so many, in order.

        Raises `RankLostError` where a rank is gone; this group is then of no more use.
        """
        options = dist.AllToAllOptions()
        options.timeout = timedelta(seconds=self.patience)
        try:
            self._backend.alltoall_base(received, sent, list(from_each), list(to_each), options).wait()
        except (dist.DistError, RuntimeError) as error:
            raise RankLostError(
                f"rank {self.rank} of {self.size}: another rank is gone, or has not answered for {self.patience:g} s "
                f"({_first_line(error)}); form a new group of those that are left"
            ) from error
        self.exchanges += 1
        self.sent_bytes += sum(to_each) - to_each[self.rank]

    def abandon(self) -> None:
        """Leaves without waiting for anybody. Ranks that wait for this one see it gone."""
        self._backend.abort()


def _gloo(store: Store, rank: int, size: int, host: str, timeout: timedelta) -> Any:
    options = dist.ProcessGroupGloo._Options()  # type: ignore[attr-defined]
    options._timeout = timeout
    options._devices = [dist.ProcessGroupGloo.create_device(hostname=host)]
    return dist.ProcessGroupGloo(store, rank, size, options)


def _nccl(store: Store, rank: int, size: int, host: str, timeout: timedelta) -> Any:
    if not dist.is_nccl_available():
        raise BadInputError("this PyTorch has no NCCL, which GPUs exchange through; install its CUDA build")
    options = dist.ProcessGroupNCCL.Options()
    options._timeout = timeout
    return dist.ProcessGroupNCCL(store, rank, size, options)


def _first_line(error: BaseException) -> str:
    """What the libraries say, without where in their source, and without their advice."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return re.sub(r"^\[/\S+\]\s*", "", line).split(". ")[0]
