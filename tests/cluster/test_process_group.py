"""Groups, with their ranks as threads of one process: joining, leaving, and waits that end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor
from torch.distributed import HashStore

from dreamcade.cluster.process_group import Group
from dreamcade.cluster.sequence_parallel import Ulysses
from dreamcade.core.errors import BadInputError, RankLostError


@pytest.fixture
def together() -> Iterator[Callable[..., list[object]]]:
    """Runs a function of a group as each of its ranks → what each returned."""
    store, numbers = HashStore(), iter(range(100))
    with ThreadPoolExecutor(8) as pool:

        def run(size: int, work: Callable[[Group], object], patience: float = 10.0) -> list[object]:
            name = f"group {next(numbers)}"

            def one(rank: int) -> object:
                return work(Group.join(store, name, rank, size, meeting=10, patience=patience))

            return [done.result(30) for done in [pool.submit(one, rank) for rank in range(size)]]

        yield run


@pytest.mark.parametrize(
    ("size", "heads", "tokens", "batch"), [(1, 3, 4, 1), (2, 3, 5, 2), (4, 30, 9, 1), (7, 8, 7, 3)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int8])
def test_tokens_for_heads_and_back(
    together: Callable[..., list[object]], size: int, heads: int, tokens: int, batch: int, dtype: torch.dtype
) -> None:
    whole = torch.randint(-100, 100, (batch, tokens, 3 * heads * 4)).to(dtype)
    by_head = whole.view(batch, tokens, 3, heads, 4)

    def work(group: Group) -> bool:
        exchange = Ulysses(group, tokens, heads)
        there = exchange.to_heads(exchange.own(whole), 3)
        assert torch.equal(there, by_head[:, :, :, exchange.heads].flatten(2))
        back = exchange.to_tokens(there, 3)
        assert torch.equal(back, whole[:, exchange.tokens]) and back.is_contiguous()
        return torch.equal(exchange.gather(back), whole)

    assert together(size, work) == [True] * size


def test_a_result_stays_what_it_was(together: Callable[..., list[object]]) -> None:
    """Buffers are used again; nobody else sees that."""

    def work(group: Group) -> bool:
        exchange, made = Ulysses(group, 4, 2), []
        for value in range(3):
            x = torch.full((1, 2, 4), float(value))
            results: list[Tensor] = [exchange.to_heads(x, 1), exchange.gather(x)]
            made.append((value, [*results, exchange.to_tokens(results[0], 1)]))
        return all(bool((tensor == value).all()) for value, tensors in made for tensor in tensors)

    assert together(2, work) == [True, True]


def test_who_does_not_answer_is_lost(together: Callable[..., list[object]]) -> None:
    late = threading.Event()

    def work(group: Group) -> float:
        if group.rank == 1:
            late.wait(20)
            return 0.0
        before = time.monotonic()
        with pytest.raises(RankLostError, match=r"rank 0 of 2: .* not answered for 0\.3 s"):
            Ulysses(group, 4, 2).gather(torch.ones(1, 2, 1))
        late.set()
        return time.monotonic() - before

    waited = together(2, work, 0.3)[0]
    assert isinstance(waited, float) and 0.2 < waited < 10


def test_who_leaves_is_noticed(together: Callable[..., list[object]]) -> None:
    def work(group: Group) -> float:
        before = time.monotonic()
        if group.rank == 1:
            group.abandon()
        else:
            with pytest.raises(RankLostError, match="form a new group"):
                Ulysses(group, 4, 2).gather(torch.ones(1, 2, 1))
        return time.monotonic() - before

    assert all(isinstance(waited, float) and waited < 5 for waited in together(2, work))


def test_what_is_refused(together: Callable[..., list[object]]) -> None:
    def work(group: Group) -> None:
        with pytest.raises(BadInputError, match="2 heads and 9 tokens are for at most 2 devices; got 3"):
            Ulysses(group, 9, 2)
        with pytest.raises(BadInputError, match=r"rank 0 exchanges \[B, 3, 3 × 3 heads × d\]; got \[1, 4, 9\]"):
            Ulysses(group, 9, 3).to_heads(torch.ones(1, 4, 9), 3)

    together(3, lambda group: work(group) if group.rank == 0 else None)
    with pytest.raises(BadInputError, match="a rank of 2 is 0 to 1; got 2"):
        Group.join(HashStore(), "g", 2, 2)
