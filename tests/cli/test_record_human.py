"""`dreamcade record --policy human`, as it is typed: a player on a real socket, and what is on disk afterwards."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from websockets.sync.client import connect

from dreamcade.dataset.reader import Dataset
from dreamcade.server.listen import bind
from dreamcade.server.protocol import PROTOCOL_VERSION, InputMessage, pack_input

pytest.importorskip("Box2D", reason="needs the extra 'games'")
RECORD = (sys.executable, "-m", "dreamcade", "record", "gym:CarRacing-v3", "--policy", "human", "--size", "96x64")


class Recorder:
    """The command in a process of its own, once it has said where its page is."""

    def __init__(self, *options: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [*RECORD, "--port", "0", *options], stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        assert self.process.stdout is not None
        found = re.search(r"at http://([\d.:]+)", self.process.stdout.readline())
        assert found
        self.address = found[1]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@pytest.fixture
def recorders() -> Iterator[list[Recorder]]:
    started: list[Recorder] = []
    yield started
    for recorder in started:
        recorder.process.kill()
        recorder.process.communicate()


def play(address: str, seconds: float) -> None:
    """Drives straight on for so long."""
    with connect(f"ws://{address}/play") as socket:
        socket.send(json.dumps({"type": "hello", "world": "CarRacing-v3", "version": PROTOCOL_VERSION, "seed": 7}))
        while isinstance(message := socket.recv(60), bytes) or json.loads(message)["type"] != "ready":
            pass
        socket.send(pack_input(InputMessage(np.array([0.0, 0.6, 0.0], np.float32), 1, 0.0)))
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            socket.recv(10)
        socket.send(json.dumps({"type": "bye"}))


def test_what_is_played_is_stored_and_reported(recorders: list[Recorder], tmp_path: Path) -> None:
    out, figures, opened = tmp_path / "mine", tmp_path / "figures.json", tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    recorders.append(Recorder("--out", str(out), "--json", str(figures), BROWSER=f"{browser} %s", DISPLAY=":0"))
    play(recorders[0].address, 3.0)
    assert recorders[0].stop() == 0
    dataset = Dataset.open(out)
    [episode] = dataset.episodes("all")
    assert episode.length > 50
    assert float(dataset.column(episode, "speed")[-1]) > 5
    told = json.loads(figures.read_text())
    assert (told["episodes"], told["new_episodes"], told["frames"]) == (1, 1, episode.length)
    assert opened.read_text().strip() == f"http://{recorders[0].address}"


def test_where_nothing_is_played_nothing_stays(recorders: list[Recorder], tmp_path: Path) -> None:
    recorders.append(Recorder("--out", str(tmp_path / "mine"), "--no-browser"))
    assert recorders[0].stop() == 2
    assert not (tmp_path / "mine").exists()


def test_a_taken_port_leaves_no_folder(tmp_path: Path) -> None:
    with bind("127.0.0.1", 0) as taken:
        taken.settimeout(0)
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*RECORD, "--no-browser", "--port", port, "--out", str(tmp_path / "mine")],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert "try --port" in done.stderr
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("option", ["episodes", "workers"])
def test_what_only_a_driver_heeds_is_refused(option: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [*RECORD, f"--{option}", "3", "--out", str(tmp_path / "mine")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"--{option} is for a driver's play" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "mine").exists()
