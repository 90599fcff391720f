"""A world that hangs: in a clock of looks, behind the real application, and in a process that is to end."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient, WebSocketTestSession

from dreamcade.engine.passes import Passes
from dreamcade.engine.progress import Progress
from dreamcade.server import watch
from dreamcade.server.app import create_app
from dreamcade.server.arcade import Arcade, load_stage
from dreamcade.server.control_messages import Hello, Notice, dump_control, parse_server
from dreamcade.server.protocol import unpack_frame
from dreamcade.server.watch import LOOK_SECONDS, NOTHING, SLOW, TELL_SECONDS, UNWELL_SECONDS, Watch
from dreamcade.world import World

PATIENCE = 60.0


def looks(watch: Watch, seconds: float) -> None:
    for _ in range(round(seconds / LOOK_SECONDS)):
        watch.look()


def test_who_plays_is_told_again_and_again_until_it_goes_on() -> None:
    progress, told = Progress(least=1.0), list[str]()
    watch = Watch(progress, told.append)
    with progress.doing("a turn"):
        looks(watch, 0.8)
        assert told == []
        looks(watch, 0.8)
        assert told == [SLOW] and watch.hangs() == "", "it is slow; that it hangs would be too much to say"
        looks(watch, 2 * TELL_SECONDS)
        assert told == [SLOW] * 3
        looks(watch, UNWELL_SECONDS)
        assert watch.hangs().startswith("a turn has not ended for ")
    looks(watch, 2 * LOOK_SECONDS)
    assert told[-2:] == [SLOW, NOTHING] and watch.hangs() == ""
    looks(watch, 60)
    assert told[-2:] == [SLOW, NOTHING], "nothing is done: nothing hangs"
    with progress.doing("a turn"):
        looks(watch, 2.0)
    assert told[-2:] == [NOTHING, SLOW], "a second time is told at once, too"


@pytest.fixture
def block(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """While it is not set, no pass ends."""
    compute, free = Passes.compute, threading.Event()
    free.set()

    def blocking(*asked: Any) -> Any:
        free.wait()
        return compute(*asked)

    monkeypatch.setattr(Passes, "compute", blocking)
    yield free
    free.set()


def test_players_and_health_learn_of_a_pass_that_does_not_return(
    block: threading.Event, tiny_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "UNWELL_SECONDS", 2.0)
    tiny_world.save(tmp_path / "toy")
    arcade = Arcade(lambda: [str(tmp_path / "toy")], lambda name: load_stage(name, "cpu", kernels="reference"))
    with TestClient(create_app(arcade), base_url="http://127.0.0.1:8710") as client:
        arcade.stage("toy")
        with client.websocket_connect("ws://127.0.0.1:8710/play") as page:
            page.send_text(dump_control(Hello("toy", "left", 1)))
            tick = next_tick(page, 5)
            assert client.get("/api/health").json()["status"] == "ok"
            block.clear()
            assert next_notice(page) == SLOW
            wait_for(lambda: client.get("/api/health").status_code == 503)
            health = client.get("/api/health").json()
            assert health["status"] == "hangs" and re.match(r"a pass has not ended for \d", health["hangs"]["toy"])
            block.set()
            while (text := next_notice(page)) == SLOW:
                pass
            assert text == NOTHING
            assert next_tick(page, tick + 5) > tick
            answer = client.get("/api/health")
            assert answer.status_code == 200 and answer.json()["status"] == "ok" and "hangs" not in answer.json()
    assert not [thread.name for thread in threading.enumerate() if thread.name == "dreamcade-watch"]


def next_tick(page: WebSocketTestSession, least: int) -> int:
    while True:
        data = page.receive()
        if data.get("bytes") and (tick := unpack_frame(data["bytes"]).tick) >= least:
            return tick


def next_notice(page: WebSocketTestSession) -> str:
    while True:
        data = page.receive()
        if data.get("text") and isinstance(message := parse_server(data["text"]), Notice):
            return message.text


def wait_for(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


PLAY = """
import sys, threading
from dreamcade.engine.passes import Passes
from dreamcade.cli import main
compute, made = Passes.compute, []
def compute_few(*asked):
    made.append(1)
    if len(made) > 3:
        threading.Event().wait()
    return compute(*asked)
Passes.compute = compute_few
sys.argv = ["dreamcade", "play", sys.argv[1], "--no-browser", "--port", "0", "--kernels", "reference"]
main()
"""


def test_a_server_whose_world_hangs_can_be_ended(tiny_world: World, tmp_path: Path) -> None:
    from websockets.sync.client import connect

    tiny_world.save(tmp_path / "toy")
    command = [sys.executable, "-c", PLAY, str(tmp_path / "toy")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = re.search(r"http://\S+", process.stdout.readline())
            assert address is not None
            assert "is played by" in process.stdout.readline()
            with connect(address[0].replace("http", "ws") + "/play", origin=address[0]) as page:
                page.send(dump_control(Hello("toy", "left", 1)))
                texts = (m for m in page if isinstance(m, str))
                assert next(t for t in texts if json.loads(t)["type"] == "notice")
                process.send_signal(signal.SIGINT)
                process.wait(20)
        finally:
            process.kill()
