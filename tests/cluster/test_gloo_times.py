from __future__ import annotations

import multiprocessing

import pytest

from dreamcade.cluster import gloo_times as module
from dreamcade.core.errors import BadInputError


def test_two_processes_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    latency, rate = module.gloo_times()
    assert 1e-6 < latency < 0.1 and rate > 1e6
    monkeypatch.setattr(module, "LIMIT", 0.01)
    with pytest.raises(BadInputError, match=r"within 0\.01 s"):
        module.gloo_times()
    assert not multiprocessing.active_children()
