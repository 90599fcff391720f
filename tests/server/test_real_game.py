"""A person plays the real game over a real socket; what they did is on disk afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from starlette.testclient import TestClient, WebSocketTestSession

from dreamcade.core.errors import GameError, UnknownNameError
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.dataset.format import DatasetMeta
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.writer import DatasetWriter
from dreamcade.games.car_racing import CarRacingGame
from dreamcade.server.app import create_app
from dreamcade.server.arcade import Arcade
from dreamcade.server.protocol import PROTOCOL_VERSION, InputMessage, pack_input, unpack_frame
from dreamcade.server.real_game import Recording, real_game_stage

pytest.importorskip("Box2D")
SIZE = (96, 64)


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    game = CarRacingGame(SIZE)
    meta = DatasetMeta(game.name, game.controls, SIZE, game.tick_rate, game.licence, "a test", {"policy": "human"})
    return Recording(DatasetWriter(tmp_path / "data", meta), lambda: CarRacingGame(SIZE), 90, 0, lambda info: None)


@pytest.fixture
def page(recording: Recording) -> TestClient:
    arcade = Arcade(lambda: ["game"], lambda name: real_game_stage(recording), real_game=True)
    return TestClient(create_app(arcade), base_url="http://127.0.0.1:8710")


def hello(socket: WebSocketTestSession) -> None:
    # A seed of its own: from some starts, a car that goes straight on leaves the playfield within seconds.
    socket.send_text(json.dumps({"type": "hello", "world": "CarRacing-v3", "version": PROTOCOL_VERSION, "seed": 7}))
    while json.loads(socket.receive_text())["type"] != "modes":
        pass


def watch(socket: WebSocketTestSession, seconds: float) -> list[np.ndarray]:
    frames, deadline = [], time.monotonic() + seconds
    while time.monotonic() < deadline:
        frames.append(simplejpeg.decode_jpeg(unpack_frame(socket.receive_bytes()).image))
    return frames


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_a_person_plays_becomes_an_episode(page: TestClient, recording: Recording) -> None:
    with page, page.websocket_connect("ws://127.0.0.1:8710/play") as socket:
        hello(socket)
        watch(socket, 0.3)
        socket.send_bytes(pack_input(InputMessage(np.array([0.5, 1.0, 0.0], np.float32), 1, 0.0)))
        frames = watch(socket, 3.0)
        socket.send_text(json.dumps({"type": "bye"}))
        wait_for(lambda: bool(recording.writer.episodes))
    assert frames[0].shape == (64, 96, 3)
    assert np.abs(frames[-1].astype(int) - frames[0]).mean() > 2, "the car has driven"
    data = Dataset.open(recording.writer.path)
    [episode] = data.episodes("all")
    assert 50 <= episode.length <= 90
    actions = data.actions(episode)
    assert (actions[0] == 0).all()
    np.testing.assert_allclose(actions[-1], [0.5, 1.0, 0.0])
    speed = data.column(episode, "speed")
    assert speed[-1] > speed[0] + 10
    assert set(data.column(episode, "style")) == {"human"}


def test_starting_over_ends_an_episode_and_a_short_one_is_not_kept(page: TestClient, recording: Recording) -> None:
    with page, page.websocket_connect("ws://127.0.0.1:8710/play") as socket:
        hello(socket)
        watch(socket, 2.6)
        socket.send_text(json.dumps({"type": "reset"}))
        wait_for(lambda: len(recording.writer.episodes) == 1)
        watch(socket, 0.4)
        socket.send_text(json.dumps({"type": "bye"}))
        time.sleep(0.5)
    assert len(recording.writer.episodes) == 1
    assert not list((recording.writer.path / "episodes").glob(".*"))


class Fragile(CarRacingGame):
    """A game that ends after three seconds, as a process that is killed does."""

    steps = 0

    def step(self, action: ActionVector) -> tuple[Pixels, float, bool, bool]:
        self.steps += 1
        if self.steps > 75:
            raise GameError("the game's process ended; start it again")
        return super().step(action)


def test_what_was_played_before_the_game_broke_is_kept(page: TestClient, recording: Recording) -> None:
    recording.make_game = lambda: Fragile(SIZE)
    with page, page.websocket_connect("ws://127.0.0.1:8710/play") as socket:
        hello(socket)
        wait_for(lambda: bool(recording.writer.episodes))
    [episode] = Dataset.open(recording.writer.path).episodes("all")
    assert 70 <= episode.length <= 76


def test_long_play_goes_on_in_the_next_episode(page: TestClient, recording: Recording) -> None:
    with page, page.websocket_connect("ws://127.0.0.1:8710/play") as socket:
        hello(socket)
        socket.send_bytes(pack_input(InputMessage(np.array([0.0, 0.3, 0.0], np.float32), 1, 0.0)))
        watch(socket, 6.2)
        socket.send_text(json.dumps({"type": "bye"}))
        wait_for(lambda: len(recording.writer.episodes) == 2)
    data = Dataset.open(recording.writer.path)
    first, second = data.episodes("all")
    assert first.length == 90
    assert float(data.column(second, "speed")[0]) > 5, "the same play, not a new one"


def test_pausing_stops_the_game(page: TestClient, recording: Recording) -> None:
    with page, page.websocket_connect("ws://127.0.0.1:8710/play") as socket:
        hello(socket)
        watch(socket, 0.3)
        socket.send_text(json.dumps({"type": "pause"}))
        time.sleep(1.0)
        socket.send_text(json.dumps({"type": "resume"}))
        watch(socket, 2.2)
        socket.send_text(json.dumps({"type": "bye"}))
        wait_for(lambda: bool(recording.writer.episodes))
    assert recording.writer.episodes[0].length < 75


def test_the_gallery_shows_the_real_game(page: TestClient) -> None:
    with page:
        wait_for(lambda: page.get("/api/worlds").json()["state"] == "awake")
        listing = page.get("/api/worlds").json()
    assert listing["real_game"], "so that the page does not speak of dreams"
    [entry] = listing["worlds"]
    assert entry["name"] == "CarRacing-v3"
    assert [axis["name"] for axis in entry["controls"]["axes"]] == ["steer", "gas", "brake"]
    assert entry["starts"][0]["title"] == "Play the real game"


def test_there_is_one_start(recording: Recording) -> None:
    with pytest.raises(UnknownNameError):
        real_game_stage(recording).world.start("elsewhere")
