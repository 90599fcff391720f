"""Replicas as child processes, players through the real application, and what is lost in the middle of play."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient, WebSocketTestSession

from dreamcade.cluster.hosts import Errand, Host, LocalHosts
from dreamcade.core.errors import DreamcadeError, WorldError
from dreamcade.engine import EncodedFrame, Engine
from dreamcade.engine.journal import Entry
from dreamcade.server.app import Limits, create_app
from dreamcade.server.arcade import Arcade
from dreamcade.server.control_messages import Hello, Notice, dump_control, parse_server
from dreamcade.server.encoding import encode_jpeg
from dreamcade.server.gateway import Gateway
from dreamcade.server.protocol import FrameMessage, InputMessage, pack_input, unpack_frame
from dreamcade.server.remote_play import RemotePlay
from dreamcade.server.replicated import ReplicaSettings, Size, load_replicated
from dreamcade.server.stage import Stage
from dreamcade.world import World

SETTINGS = ReplicaSettings(device="cpu", kernels="reference", threads=1)
PATIENCE = 60.0
SILENCE = 3.0
"""Seconds without a word after which a replica is lost: 0.8 in play, and what a busy machine adds."""


def wait_for(true: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    end = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.01)
    assert found, "it did not come"
    return found


@pytest.fixture(scope="module")
def folder(tiny_world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tick takes a twentieth of a second, so that a busy machine keeps up."""
    folder = tmp_path_factory.mktemp("worlds") / "toy"
    dataclasses.replace(tiny_world, manifest=dataclasses.replace(tiny_world.manifest, tick_rate=20.0)).save(folder)
    return folder


@pytest.fixture(scope="module")
def saved(folder: Path) -> World:
    """As it is on disk: half as precise."""
    return World.load(folder)


class HangingHosts(LocalHosts):
    """Its replicas hang when they find a file of their name in `folder`."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def start(self, errand: Errand) -> Host:
        paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**errand.environment, "PYTHONPATH": paths}
        arguments = {**errand.arguments, "signs": str(self.folder)}
        return super().start(Errand(errand.name, "hanging_replica:play", arguments, environment=environment))


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> HangingHosts:
    return HangingHosts(tmp_path_factory.mktemp("hangs"))


@pytest.fixture(scope="module")
def stage(folder: Path, hosts: HangingHosts) -> Iterator[Stage]:
    """Two replicas of the toy world with two places each; every test leaves two behind."""
    stage = load_replicated(str(folder), hosts, dataclasses.replace(SETTINGS, most=2), Size(2, 2))
    assert isinstance(stage.engine, Gateway)
    stage.engine._fleet._silence = SILENCE
    yield stage
    stage.loop.stop()
    assert not any(host.is_alive() for host in hosts._started)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("dreamcade-")]


@pytest.fixture
def gateway(stage: Stage) -> Gateway:
    assert isinstance(stage.engine, Gateway)
    wait_for(lambda: len(ready(stage.engine)) == 2)
    return stage.engine


def ready(gateway: Gateway) -> list[dict[str, Any]]:
    return [replica for replica in gateway.status()["replicas"] if replica["state"] == "ready"]


class Witness:
    """Keeps every tick's entry of a play, as the gateway journals it, since the play began or was reset."""

    def __init__(self, play: RemotePlay) -> None:
        self.play, journal = play, play._journal
        self.seed, self.start = journal.seed, journal.start
        self.entries: dict[int, Entry] = {}
        self.repeated = 0
        self._add, self._begin = journal.add, journal.begin
        journal.add, journal.begin = self.add, self.begin  # type: ignore[method-assign]

    def add(self, entry: Entry) -> None:
        self.repeated += entry.tick in self.entries
        self.entries[entry.tick] = entry
        self._add(entry)

    def begin(self, seed: int, start: str | None) -> None:
        self.entries, self.seed, self.start = {}, seed, start
        self._begin(seed, start)

    def check(self, world: World, frames: Sequence[tuple[int, bytes]]) -> None:
        """Ticks and their pictures: in order, nothing twice, and each that of a twin that was never disturbed."""
        ticks = [tick for tick, _ in frames]
        assert len(ticks) > 5 and ticks == sorted(set(ticks))
        engine = Engine(world, "cpu", kernels="reference")
        twin = engine.open_session(seed=self.seed, start=self.start)
        expected = {0: encode_jpeg(twin.frame.pixels)}
        for tick in range(1, ticks[-1] + 1):
            expected[tick] = encode_jpeg(twin.step(self.entries[tick].action).pixels)
        assert [tick for tick, picture in frames if picture != expected[tick]] == []
        assert self.repeated <= 1


class Player:
    """Plays by the gateway itself, and keeps what it gets."""

    def __init__(self, gateway: Gateway, seed: int, start: str = "left") -> None:
        self.gateway, self.seed, self.sequence = gateway, seed, 0
        self.frames: list[EncodedFrame] = []
        self.errors: list[Exception] = []
        self.notices: list[str] = []
        self.play = gateway.open_session(seed=seed, start=start)
        self.witness = Witness(self.play)
        gateway.attach(self.play, self.frames.append, self.errors.append, self.notices.append)

    def press(self, steer: float, jump: float = 0.0) -> None:
        self.sequence += 1
        self.play.input(np.array([steer, jump], np.float32), self.sequence, 0.0)

    @property
    def replica(self) -> str | None:
        return next(s["replica"] for s in self.gateway.status()["sessions"] if s["session"] == self.play.name)

    @property
    def tick(self) -> int:
        return self.frames[-1].tick if self.frames else -1

    def check(self, world: World) -> None:
        assert self.errors == []
        self.witness.check(world, [(frame.tick, frame.data) for frame in list(self.frames)])


@pytest.fixture
def players(gateway: Gateway) -> Iterator[list[Player]]:
    players = [Player(gateway, seed, start) for seed, start in enumerate(("left", "right", "left"))]
    yield players
    for player in players:
        player.play.close()
    wait_for(lambda: len(ready(gateway)) == 2 and not gateway.status()["sessions"])


def play_on(players: list[Player], ticks: int) -> None:
    goal = [player.tick + ticks for player in players]
    for number in range(1000):
        if all(player.tick >= one for player, one in zip(players, goal, strict=True)):
            return
        for player in players:
            player.press((-1.0, 0.5, 1.0)[(number + player.seed) % 3], float(number % 5 == 0))
        time.sleep(0.05)
    raise AssertionError("play does not go on")


def pid_of(gateway: Gateway, replica: str | None) -> int:
    return int(next(r["pid"] for r in gateway.status()["replicas"] if r["name"] == replica))


def test_players_are_spread_over_a_fixed_number_of_replicas(
    gateway: Gateway, players: list[Player], saved: World
) -> None:
    play_on(players, 20)
    assert sorted(replica["sessions"] for replica in ready(gateway)) == [1, 2]
    assert all(session["fps"] > 1 for session in gateway.status()["sessions"])
    assert players[0].frames[-1].sequence > 0
    assert players[0].frames[-1].tally.computed > 10
    for player in players:
        player.check(saved)


def test_what_was_switched_stays_so_elsewhere(
    gateway: Gateway, hosts: HangingHosts, players: list[Player], saved: World
) -> None:
    """Paused, reset on a machine that was stopped, saved; and resumed on one whose passes do not end."""
    first, *others = players
    play_on(players, 6)
    first.play.pause()
    wait_for(lambda: gateway.status()["sessions"][0]["paused"])
    os.kill(pid_of(gateway, first.replica), signal.SIGSTOP)
    first.play.reset(seed=77, start="right")
    wait_for(lambda: first.play.moves and first.witness.seed == 77)
    play_on(others, 10)
    assert gateway.status()["sessions"][0]["paused"]
    restored = Engine(saved, "cpu", kernels="reference").restore_session(first.play.snapshot())
    assert (restored.tick, restored.seed, first.play.tick) == (0, 77, 0)
    assert first.witness.start == "right"
    wait_for(lambda: sorted(replica["sessions"] for replica in ready(gateway)) == [1, 2])
    del first.frames[: [frame.tick for frame in first.frames].index(0, 1)]
    first.play.resume()
    play_on(players, 10)
    moved, victim = first.play.moves, first.replica
    (hosts.folder / str(victim)).touch()
    wait_for(lambda: victim not in names(gateway))
    play_on(players, 10)
    assert first.play.moves > moved
    first.check(saved)


def names(gateway: Gateway) -> list[str]:
    return [replica["name"] for replica in gateway.status()["replicas"]]


def test_start_and_seed_are_checked_before_anybody_is_asked(gateway: Gateway) -> None:
    with pytest.raises(DreamcadeError, match="unknown start"):
        gateway.open_session(start="nowhere")
    with pytest.raises(DreamcadeError, match="a seed must be"):
        gateway.open_session(seed=-1)
    assert gateway.status()["sessions"] == []


class Page:
    """What a browser does: a connection, keys, and what it is sent."""

    def __init__(self, socket: WebSocketTestSession, seed: int) -> None:
        self.frames: list[FrameMessage] = []
        self.notices: list[str] = []
        self.refused = ""
        self._socket = socket
        self._over = False
        socket.send_text(dump_control(Hello("toy", "left", seed)))
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._read, self._write)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        with contextlib.suppress(Exception):
            while not self._over:
                message = self._socket.receive()
                if message.get("bytes"):
                    self.frames.append(unpack_frame(message["bytes"]))
                elif message.get("text"):
                    told = parse_server(message["text"])
                    if isinstance(told, Notice):
                        self.notices.append(told.text)
                    elif told.type == "error":
                        self.refused = str(told)
                else:
                    return

    def _write(self) -> None:
        sequence = 0
        with contextlib.suppress(Exception):
            while not self._over:
                sequence += 1
                action = np.array([1.0 if sequence % 20 < 10 else -1.0, 0.0], np.float32)
                self._socket.send_bytes(pack_input(InputMessage(action, sequence, 0.0)))
                time.sleep(0.05)

    def end(self) -> None:
        self._over = True
        self._threads[1].join(2.0)


def test_pages_play_on_when_a_replica_is_lost(gateway: Gateway, stage: Stage, saved: World) -> None:
    engine = Watched(gateway)
    arcade = Arcade(lambda: ["toy"], lambda name: Stage(stage.world, engine, engine, status=stage.status))
    app, lost = create_app(arcade, limits=Limits(max_sessions=4)), gateway.status()["lost_replicas"]
    with TestClient(app, base_url="http://127.0.0.1:8710") as client, contextlib.ExitStack() as stack:
        arcade.stage("toy")
        pages: list[Page] = []
        for seed in range(3):
            pages.append(Page(stack.enter_context(client.websocket_connect("ws://127.0.0.1:8710/play")), seed))
            wait_for(lambda: pages[-1].frames)
        wait_for(lambda: all(len(page.frames) > 10 for page in pages))
        health = client.get("/api/health").json()["worlds"]["toy"]
        assert sorted(replica["sessions"] for replica in health["replicas"]) == [1, 2]
        assert all(session["tick"] > 0 for session in health["sessions"])
        victim = health["sessions"][0]["replica"]
        seen, began = [len(page.frames) for page in pages], time.monotonic()
        os.kill(pid_of(gateway, victim), signal.SIGKILL)
        wait_for(lambda: victim not in names(gateway))
        assert time.monotonic() - began < 20.0  # about a second, and what a busy machine adds
        wait_for(lambda: all(len(page.frames) > count + 20 for page, count in zip(pages, seen, strict=True)))
        assert client.get("/api/health").json()["worlds"]["toy"]["lost_replicas"] == lost + 1
        # Three were too many for the one that was left: when another is there, one of them moves on once more.
        wait_for(lambda: sorted(replica["sessions"] for replica in ready(gateway)) == [1, 2])
        seen = [len(page.frames) for page in pages]
        wait_for(lambda: all(len(page.frames) > count + 5 for page, count in zip(pages, seen, strict=True)))
        for page in pages:
            page.end()
    for page, session, witness in zip(pages, health["sessions"], engine.witnesses, strict=True):
        assert page.refused == ""
        assert len(page.notices) == (session["replica"] == victim)
        assert witness.play.moves >= len(page.notices)
        witness.check(saved, [(frame.tick, frame.image) for frame in page.frames])
        assert page.frames[-1].tally.computed > 15  # the counts go on too


class Watched:
    """The gateway, with a witness to every play; it outlives the arcade."""

    def __init__(self, gateway: Gateway) -> None:
        self.witnesses: list[Witness] = []
        self.attach = gateway.attach
        self._gateway = gateway

    def open_session(self, seed: int = 0, start: str | None = None) -> RemotePlay:
        play = self._gateway.open_session(seed, start)
        self.witnesses.append(Witness(play))
        return play

    def stop(self) -> None:
        """The next test needs it."""


def test_scale_out_and_in_by_load(saved: World, tmp_path: Path) -> None:
    """Places for three: the third player has a second replica started. When there are two, each in a replica of its
    own, one is moved, without a frame twice."""
    calm = dataclasses.replace(saved, manifest=dataclasses.replace(saved.manifest, tick_rate=8.0))
    settings = dataclasses.replace(SETTINGS, most=3)  # which a replica can do at this rate on any machine
    stage = load_replicated(str(calm.save(tmp_path / "toy").folder), LocalHosts(), settings, Size(1, 2, calm=0.5))
    gateway = stage.engine
    assert isinstance(gateway, Gateway)
    gateway._fleet._silence = PATIENCE  # nothing is lost here, however busy the machine is
    try:
        players = [Player(gateway, seed) for seed in range(3)]
        wait_for(lambda: len(ready(gateway)) == 2)
        players += [Player(gateway, seed) for seed in range(3, 6)]
        assert [replica["sessions"] for replica in ready(gateway)] == [3, 3]
        play_on(players, 4)
        with pytest.raises(DreamcadeError, match="every replica is full"):
            gateway.open_session(seed=6)
        one, other = (next(p for p in players if p.replica == name) for name in names(gateway))
        for leaving in players:
            if leaving not in (one, other):
                leaving.play.close()
        wait_for(lambda: len(names(gateway)) == 1)
        play_on([one, other], 6)
        assert one.play.moves + other.play.moves == 1
        for player in (one, other):
            player.check(saved)
            assert player.notices == []
    finally:
        stage.loop.stop()


def test_one_that_cannot_start_says_why(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="no replica of world 'toy' starts: unknown device 'abacus'"):
        load_replicated(str(folder), LocalHosts(), ReplicaSettings(device="abacus"), Size())
