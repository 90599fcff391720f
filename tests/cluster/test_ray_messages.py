"""What is kept back of what Ray says, and what is not."""

from __future__ import annotations

import logging
import os
from typing import Any

import pytest

from dreamcade.cluster.ray_messages import keep_deaths_back, quiet


def test_while_ray_joins_it_says_nothing_and_we_do_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet():
        os.write(2, b"[W 1 2] gcs_client.cc:210: Failed to get cluster ID\n")
    os.write(2, b"dreamcade: no\n")
    assert capfd.readouterr().err == "dreamcade: no\n"


def test_deaths_go_to_a_log_and_all_else_is_printed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'dreamcade[cluster]'")
    from ray._private import worker

    printed = []
    monkeypatch.setattr(worker, "print_to_stdstream", lambda data, ignore_prefix: printed.append(data["lines"]))
    keep_deaths_back()
    once = worker.print_to_stdstream
    keep_deaths_back()
    assert worker.print_to_stdstream is once

    def say(*lines: str) -> None:
        data: dict[str, Any] = {"lines": list(lines), "pid": "raylet", "is_err": False}
        worker.print_to_stdstream(data, ignore_prefix=False)

    with caplog.at_level(logging.INFO, "dreamcade"):
        say("A worker died or was killed while executing a task by an unexpected system error. Worker ID: 9c43")
        say("1 workers were killed due to the node running low on memory.")
        say("A worker died or was killed", "and more")
        say()
    assert printed == [["1 workers were killed due to the node running low on memory."],
                       ["A worker died or was killed", "and more"], []]  # fmt: skip
    assert "Worker ID: 9c43" in caplog.text
