"""Where the processes of a cluster run: on this machine as child processes, elsewhere as another `Hosts` says."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dreamcade.cluster.lifeline import Starter


@dataclass(frozen=True, slots=True)
class Errand:
    """What a process is to do: call `entry` ("package.module:function") with `arguments` (JSON values) by name.

    `cpus` and `gpus` say what it needs; `environment` is added to its own.
    """

    name: str
    entry: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    cpus: float = 1.0
    gpus: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)


class Host(Protocol):
    """A process that runs an errand."""

    @property
    def name(self) -> str: ...

    @property
    def pid(self) -> int | None:
        """On this machine; None where it runs on another."""

    def is_alive(self) -> bool:
        """False once it has ended, however it ended. A process that was stopped is alive."""

    def kill(self) -> None:
        """Ends it now; killing twice is fine."""


class Hosts(Protocol):
    """Starts processes. They end with the one that started them."""

    def start(self, errand: Errand) -> Host: ...

    def close(self) -> None:
        """Kills all that still run."""


class LocalHost:
    """A child process, started by a thread that lasts: it ends with that."""

    def __init__(self, errand: Errand, starter: Starter) -> None:
        self._errand = errand
        self._process = starter.start(lambda: _child(errand))
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended already, which `is_alive` tells
            self._process.stdin.write(json.dumps(dict(errand.arguments)).encode() + b"\n")
            self._process.stdin.flush()

    @property
    def name(self) -> str:
        return self._errand.name

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()


def _child(errand: Errand) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "dreamcade.cluster.errand", errand.entry],
        stdin=subprocess.PIPE,
        env={**os.environ, **errand.environment},
        start_new_session=True,  # Ctrl-C is for the parent, which ends its children itself
    )


class LocalHosts:
    """Processes on this machine."""

    def __init__(self) -> None:
        self._started: list[LocalHost] = []
        self._starter = Starter()

    def start(self, errand: Errand) -> Host:
        host = LocalHost(errand, self._starter)
        self._started = [*(h for h in self._started if h.is_alive()), host]
        return host

    def close(self) -> None:
        for host in self._started:
            host.kill()
        self._started = []
        self._starter.stop()
