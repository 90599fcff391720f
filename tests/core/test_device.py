from __future__ import annotations

import pytest

from dreamcade.core.device import cpu_threads


def test_who_limits_threads_limits_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    there = cpu_threads()
    for text, cores in (("1", 1), ("4000", there), ("", there), ("0", there), ("some", there)):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert cpu_threads() == cores
