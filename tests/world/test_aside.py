from __future__ import annotations

import threading

import pytest

from dreamcade.core.errors import WorldError
from dreamcade.world.aside import aside


def test_the_thread_ends_with_its_work() -> None:
    thread = aside(threading.current_thread)
    assert thread is not threading.current_thread()
    assert not thread.is_alive()


def test_errors_come_back() -> None:
    def fail() -> None:
        raise WorldError("no")

    with pytest.raises(WorldError, match="no"):
        aside(fail)
