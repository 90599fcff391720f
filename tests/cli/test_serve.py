"""`dreamcade serve`: what it says before anything is served, and that it serves."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from dreamcade.cli.serve import serve
from dreamcade.cluster import ray_cluster
from dreamcade.core.errors import BadInputError, MissingExtraError, UnknownNameError
from dreamcade.world import World


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(serve)
    return app


@pytest.fixture
def toy(tiny_world: World, tmp_path: Path) -> str:
    tiny_world.save(tmp_path / "toy")
    return str(tmp_path / "toy")


def error_of(app: typer.Typer, *arguments: str) -> BaseException | None:
    return CliRunner().invoke(app, ["--port", "0", *arguments]).exception


def test_help_shows_examples(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert "dreamcade serve racing --replicas 2" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--replicas", "0"], "--replicas is a number from 1 or auto; got '0'"),
        (["--replicas", "many"], "--replicas is a number from 1 or auto; got 'many'"),
        (["--min-replicas", "2"], "are for --replicas auto"),
        (["--replicas", "auto", "--min-replicas", "5", "--max-replicas", "3"], r"up to --max-replicas \(3\)"),
        (["--devices", "cpu:none"], "devices are KIND:COUNT"),
        (["--devices", "cpu:4000"], "gain nothing from more"),
        (["--device", "abacus"], "unknown device 'abacus'"),
        (["--kernels", "fast"], "use auto, reference"),
        (["--plan", "/no/such/plan.json"], "cannot read the plan"),
        (["--host", "no.such.host.anywhere"], "is not an address of this machine"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    app: typer.Typer, toy: str, arguments: list[str], message: str
) -> None:
    error = error_of(app, toy, *arguments)
    assert isinstance(error, BadInputError)
    assert re.search(message, str(error))


def test_worlds_that_are_none_or_twice(app: typer.Typer, toy: str) -> None:
    assert isinstance(error_of(app, toy, "no-such-world-anywhere"), UnknownNameError)
    assert "named twice" in str(error_of(app, toy, toy))


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1 .*ray start --head"),
        ("somewhere", "is host:port .* or auto; got 'somewhere'"),
    ],
)
def test_a_cluster_that_does_not_answer(app: typer.Typer, toy: str, address: str, message: str) -> None:
    began = time.monotonic()
    error = error_of(app, toy, "--cluster", address)
    assert isinstance(error, BadInputError)
    assert re.search(message, str(error))
    assert time.monotonic() - began < 10


def test_without_ray(app: typer.Typer, toy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster.importlib.util, "find_spec", lambda name: None)
    error = error_of(app, toy, "--cluster", "auto")
    assert isinstance(error, MissingExtraError)
    assert "dreamcade[cluster]" in str(error)


@pytest.fixture
def server(toy: str) -> Iterator[subprocess.Popen[str]]:
    command = [
        sys.executable,
        "-m",
        "dreamcade",
        "serve",
        toy,
        "--port",
        "0",
        "--replicas",
        "1",
        "--kernels",
        "reference",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        yield process
        process.kill()


def test_it_serves_tells_where_everything_is_and_ends_with_its_replicas(server: subprocess.Popen[str]) -> None:
    replica = serving_replica(server)
    server.send_signal(signal.SIGINT)
    assert server.wait(10) in (0, 130)
    assert comes_to(replica, "", "Z")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends processes that were stopped")
def test_a_replica_that_was_stopped_ends_with_a_server_that_was_killed(server: subprocess.Popen[str]) -> None:
    replica = serving_replica(server)
    os.kill(replica, signal.SIGSTOP)
    try:
        assert comes_to(replica, "T")
        server.kill()
        server.wait()
        assert comes_to(replica, "", "Z")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(replica, signal.SIGKILL)


def serving_replica(server: subprocess.Popen[str]) -> int:
    """Waits until it is ready → its pid."""
    assert server.stdout is not None
    line = server.stdout.readline()
    address = re.search(r"http://\S+", line)
    assert address is not None, line
    health = {"state": "waking"}
    end = time.monotonic() + 60
    while health["state"] == "waking" and time.monotonic() < end:
        time.sleep(0.2)
        with urllib.request.urlopen(f"{address[0]}/api/health", timeout=5) as answer:
            health = json.load(answer)
    assert "Toy is played by PyTorch" in server.stdout.readline()
    [replica] = health["worlds"]["toy"]["replicas"]  # type: ignore[index]
    assert replica["state"] == "ready"
    return int(replica["pid"])


def comes_to(pid: int, *states: str) -> bool:
    """Within five seconds, as in /proc: T is stopped; gone is "", or Z where nobody has taken its last word."""
    deadline = time.monotonic() + 5
    while state_of(pid) not in states and time.monotonic() < deadline:
        time.sleep(0.05)
    return state_of(pid) in states


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""
