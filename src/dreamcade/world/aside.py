"""Work in a thread that ends with it.

PyTorch's CPU kernels keep a team of worker threads for every thread that ever called them, and while two such teams
exist, a game on two cores takes more than twice as long per frame. What is done once (loading, opening) is therefore
done aside: the team ends with the thread.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


def aside(function: Callable[[], T]) -> T:
    """`function()` in a thread of its own; returns what it returns and raises what it raises."""
    threads = torch.get_num_threads()

    def work() -> T:
        # Part of this setting belongs to the thread, and the split of a sum over threads shows in its last bit.
        torch.set_num_threads(threads)
        return function()

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="dreamcade-aside") as pool:
        return pool.submit(work).result()
