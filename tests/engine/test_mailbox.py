from __future__ import annotations

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dreamcade.engine.mailbox import Input, Mailbox

IDLE = np.zeros(2, np.float32)


def message(sequence: int) -> Input:
    return Input(np.full(2, sequence, np.float32), sequence, client_ms=float(sequence), received=0.0)


def test_idle_before_the_first_input() -> None:
    newest, fresh = Mailbox(IDLE).take()
    assert newest.action is IDLE
    assert newest.sequence == 0
    assert not fresh


@given(st.lists(st.integers(0, 100), min_size=1))
def test_the_newest_wins_in_any_order(sequences: list[int]) -> None:
    box = Mailbox(IDLE)
    best = -1
    for sequence in sequences:
        assert box.put(message(sequence)) == (sequence > best)
        best = max(best, sequence)
    newest, fresh = box.take()
    assert newest.sequence == best
    assert fresh


def test_an_input_stays_in_force_but_is_fresh_once() -> None:
    box = Mailbox(IDLE)
    box.put(message(7))
    assert [box.take()[1] for _ in range(3)] == [True, False, False]
    assert box.take()[0].sequence == 7


def test_many_writers() -> None:
    box = Mailbox(IDLE)
    threads = [threading.Thread(target=lambda k=k: [box.put(message(i)) for i in range(k, 4000, 4)]) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert box.take()[0].sequence == 3999
