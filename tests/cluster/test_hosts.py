from __future__ import annotations

import contextlib
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


HEAD = """
import threading, time
from dreamcade.cluster.hosts import Errand, LocalHosts
hosts, depth = LocalHosts(), {depth}
def start():
    errand = Errand("x", "runpy:run_path", {{"path_name": {script!r}.format(depth=depth - 1)}})
    print(hosts.start(errand).pid, file=open({pids!r}, "a"), flush=True)
if depth:
    thread = threading.Thread(target=start)
    thread.start()
    thread.join()  # and ends long before the process that it asked for
time.sleep(60)
"""


@pytest.fixture
def head(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """A process that has started one, which has started one: it, and the pids of the other two."""
    pids = tmp_path / "pids"
    for depth in range(3):
        code = HEAD.format(depth=depth, script=str(tmp_path / "{depth}.py"), pids=str(pids))
        (tmp_path / f"{depth}.py").write_text(code)
    process = subprocess.Popen([sys.executable, str(tmp_path / "2.py")])
    try:
        assert wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2, 30)
        time.sleep(0.5)  # so that the last has begun to watch
        yield process, [int(pid) for pid in pids.read_text().split()]
    finally:
        started = [int(pid) for pid in pids.read_text().split()] if pids.exists() else []
        process.kill()
        process.wait()
        for pid in started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_they_end_with_who_started_them(head: tuple[subprocess.Popen[bytes], list[int]]) -> None:
    process, started = head
    assert all(is_running(pid) for pid in started), "they do not end with the thread that asked for them"
    process.kill()
    process.wait()
    assert wait_for(lambda: not any(is_running(pid) for pid in started))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends processes that were stopped")
def test_those_that_were_stopped_end_with_who_started_them(head: tuple[subprocess.Popen[bytes], list[int]]) -> None:
    process, started = head
    for pid in started:
        os.kill(pid, signal.SIGSTOP)
    assert wait_for(lambda: [state_of(pid) for pid in started] == ["T", "T"])
    process.kill()
    process.wait()
    assert wait_for(lambda: not any(is_running(pid) for pid in started))


def is_running(pid: int) -> bool:
    return state_of(pid) not in ("", "Z")


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""
