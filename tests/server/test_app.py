from __future__ import annotations

import re
from pathlib import Path

from starlette.testclient import TestClient

import dreamcade.server
from dreamcade.server.protocol import PROTOCOL_VERSION

CLIENT = Path(dreamcade.server.__file__).parent / "client"


def test_the_page_and_everything_it_names_is_there(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "text/html" in page.headers["content-type"]
    for path in re.findall(r'(?:src|href)="(/client/[^"]+)"', page.text):
        assert client.get(path).status_code == 200, path


def test_modules_are_served_as_javascript_and_find_each_other(client: TestClient) -> None:
    for module in CLIENT.glob("*.js"):
        answer = client.get(f"/client/{module.name}")
        assert answer.headers["content-type"].startswith("text/javascript")
        for imported in re.findall(r'from "\./([^"]+)"', answer.text):
            assert (CLIENT / imported).is_file(), f"{module.name} imports {imported}"


def test_nothing_is_fetched_from_elsewhere() -> None:
    for file in CLIENT.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", text), file.name


def test_no_module_knows_a_game() -> None:
    for module in CLIENT.glob("*.js"):
        assert not re.search(r"steer|racing|brake|\bgas\b|\bcar\b", module.read_text(), re.IGNORECASE), module.name


def test_the_list_of_worlds(client: TestClient) -> None:
    listing = client.get("/api/worlds").json()
    assert listing["state"] == "awake"
    assert "broken" in listing["message"]
    (world,) = listing["worlds"]
    assert (world["name"], world["tick_rate"], world["frame_size"]) == ("meadow", 50.0, [48, 32])
    assert [c["name"] for c in world["controls"]["axes"]] == ["steer", "gas"]
    thumbnail = client.get(world["starts"][1]["thumbnail"])
    assert thumbnail.headers["content-type"] == "image/jpeg"
    assert thumbnail.content[:2] == b"\xff\xd8"


def test_an_unknown_thumbnail_is_a_clear_404(client: TestClient) -> None:
    answer = client.get("/api/worlds/meadow/starts/noon.jpg")
    assert answer.status_code == 404
    assert "no such start" in answer.json()["error"]
    assert client.get("/api/worlds/moon/starts/dawn.jpg").status_code == 404
    assert client.get("/client/../app.py").status_code == 404


def test_the_clip_of_a_world(client: TestClient) -> None:
    (world,) = client.get("/api/worlds").json()["worlds"]
    clip = client.get(world["clip"])
    assert clip.headers["content-type"] == "image/webp"
    assert clip.content[8:12] == b"WEBP"
    assert client.get("/api/worlds/moon/clip.webp").status_code == 404


def test_health_counts_the_players(client: TestClient) -> None:
    assert client.get("/api/health").json() == {
        "service": "dreamcade",
        "status": "ok",
        "protocol": PROTOCOL_VERSION,
        "state": "awake",
        "sessions": 0,
        "max_sessions": 2,
    }
    with client.websocket_connect("ws://127.0.0.1:8710/play"):
        assert client.get("/api/health").json()["sessions"] == 1
