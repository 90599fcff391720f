"""Where the ranks of a group find each other: a file, since all ranks of a pipeline are processes of one machine.

`torch.distributed`'s usual place, a `TCPStore`, asks the name service for the name of every address that it meets, as
`::ffff:127.0.0.1` too, which no hosts file lists. Where the service drops one question in a few dozen, the resolver
waits five seconds before it asks again (`resolv.conf(5)`, timeout), and so did whoever formed a group.
"""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from torch._C._distributed_c10d import FileStore, Store

from dreamcade.core.errors import BadInputError

MEETING = 30.0
"""Seconds for all ranks to come to a new group: some may still be loading."""


class MeetingPlace:
    """Made by rank 0's process, which tells the others its `address`; for all groups that they will ever form."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="dreamcade-ranks-", ignore_cleanup_errors=True)
        self.address = str(Path(self._folder.name) / "store")
        self.store = meet_at(self.address)

    def close(self) -> None:
        """Nobody will meet here any more; closing twice is fine."""
        self._folder.cleanup()


def meet_at(address: str) -> Store:
    """The store of a meeting place, in another process. Any thread may wait at it, and holds up no other."""
    if not Path(address).parent.is_dir():
        raise BadInputError(f"no meeting place at {address}; is rank 0 running, on this machine?")
    store = FileStore(address)
    store.set_timeout(timedelta(seconds=MEETING))
    return store
