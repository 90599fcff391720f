from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dreamcade.cluster.hosts import Errand, LocalHosts


@pytest.fixture
def hosts() -> Iterator[LocalHosts]:
    hosts = LocalHosts()
    yield hosts
    hosts.close()


def wait_for(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def test_an_errand_runs_with_its_arguments(hosts: LocalHosts, tmp_path: Path) -> None:
    host = hosts.start(Errand("maker", "os:makedirs", {"name": str(tmp_path / "made")}))
    assert wait_for(lambda: not host.is_alive())
    assert (tmp_path / "made").is_dir()


def test_the_environment_is_added(hosts: LocalHosts, tmp_path: Path) -> None:
    code = f"import os; open({str(tmp_path / 'seen')!r}, 'w').write(os.environ['COLOUR'] + os.environ['PATH'][:0])"
    arguments = {"args": [sys.executable, "-c", code]}
    host = hosts.start(Errand("x", "subprocess:check_call", arguments, environment={"COLOUR": "blue"}))
    assert wait_for(lambda: not host.is_alive())
    assert (tmp_path / "seen").read_text() == "blue"


def test_closing_kills_even_those_that_were_stopped(hosts: LocalHosts) -> None:
    host = hosts.start(Errand("sleeper", "subprocess:check_call", {"args": ["sleep", "60"]}))
    assert host.pid is not None
    os.kill(host.pid, signal.SIGSTOP)
    assert host.is_alive()
    hosts.close()
    assert not host.is_alive()


def test_they_end_with_their_parent(tmp_path: Path) -> None:
    code = (
        "from dreamcade.cluster.hosts import *; import os, time\n"
        "host = LocalHosts().start(Errand('x', 'subprocess:check_call', {'args': ['sleep', '60']}))\n"
        "print(host.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    time.sleep(0.5)  # so that the child has begun to watch
    parent.kill()
    parent.wait()
    assert wait_for(lambda: not Path(f"/proc/{child}/cmdline").exists() or not is_running(child))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
