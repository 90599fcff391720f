"""A real Chromium plays through the real server: keys in, frames out, and what happens when things go wrong."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg

from dreamcade.core.types import FrameKind, FrameTiming, Tally
from dreamcade.dataset.reader import Dataset
from dreamcade.server.protocol import FrameMessage, pack_frame, unpack_input
from dreamcade.server.watch import SLOW
from dreamcade.world import World, shipped_worlds

playwright = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]
Serve = Callable[..., "Server"]
MAIN = "from dreamcade.cli import main; main()"
HANGS = """
import pathlib, time
from dreamcade.engine.passes import Passes
compute, sign = Passes.compute, pathlib.Path({sign!r})
def hang(*asked):
    while sign.exists():
        time.sleep(0.01)
    return compute(*asked)
Passes.compute = hang
"""
BOX = "((part) => (({ left, top, right, bottom }) => [left, top, right, bottom])(part.getBoundingClientRect()))"


class Server:
    """`dreamcade play`, or whatever `arguments` say, in a process of its own, which runs `code` before."""

    def __init__(self, world: str, port: int, *options: str, arguments: tuple[str, ...] = (), code: str = "") -> None:
        self.address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-c", code + MAIN]
        command += arguments or ("play", world, "--no-browser")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen([*command, "--port", str(port), *options], env=environment)

    def health(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.address}/api/health", timeout=5) as answer:
            return dict(json.load(answer))

    def wait_until_awake(self, seconds: float = 60.0) -> Server:
        wait_for(self._awake, seconds, "the server to wake its world")
        return self

    def _awake(self) -> bool:
        assert self.process.poll() is None, "the server ended"
        try:
            return bool(self.health()["state"] == "awake")
        except OSError:
            return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


class Page:
    """The page, as a player uses it: keys go through the browser, figures come from the page's own read-out."""

    def __init__(self, context: Any, address: str) -> None:
        self.errors: list[str] = []
        self.page = context.new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address)
        self.keyboard = self.page.keyboard

    def value(self, expression: str) -> Any:
        return self.page.evaluate(expression)

    def wait(self, expression: str, seconds: float = 20.0) -> None:
        wait_for(lambda: self.value(expression), seconds, expression)

    def wait_for_play(self) -> Page:
        self.wait("window.dreamcade?.state === 'playing' && dreamcade.stats.frames > 5", 60)
        return self

    def hide(self) -> None:
        """As if another tab were looked at; play pauses."""
        self.value("""Object.defineProperty(document, 'hidden', {value: true, configurable: true}),
                      document.dispatchEvent(new Event('visibilitychange'))""")
        assert self.value("dreamcade.state") == "paused"

    def picture(self) -> np.ndarray:
        """What is on the canvas: float32 `[H, W, 3]`."""
        url = self.value("document.getElementById('screen').toDataURL('image/jpeg', 0.95)")
        return simplejpeg.decode_jpeg(base64.b64decode(url.split(",")[1])).astype(np.float32)

    def hold(self, *keys: str, seconds: float) -> None:
        for key in keys:
            self.keyboard.down(key)
        time.sleep(seconds)
        for key in keys:
            self.keyboard.up(key)


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for: {what}"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(world: str, port: int, *options: str, arguments: tuple[str, ...] = (), code: str = "") -> Server:
        servers.append(Server(world, port, *options, arguments=arguments, code=code))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def toy(tiny_world: World, tmp_path: Path) -> str:
    tiny_world.save(tmp_path / "toy")
    return str(tmp_path / "toy")


@pytest.mark.skipif("racing" not in shipped_worlds(), reason="the world 'racing' is not in this build")
def test_somebody_drives_for_twenty_seconds(serve: Serve, context: Any, tmp_path: Path) -> None:
    server = serve("racing", free_port()).wait_until_awake()
    page = Page(context, server.address)
    page.wait("!!document.querySelector('.start')", 60)
    page.page.screenshot(path=tmp_path / "gallery.png")
    page.keyboard.press("Enter")  # the first start has the focus
    page.wait_for_play()

    began, first, rates = time.monotonic(), page.value("dreamcade.stats.tick"), []
    page.keyboard.down("ArrowUp")
    for key in ("ArrowLeft", "ArrowRight") * 5:
        page.hold(key, seconds=0.6)
        before = page.picture()
        time.sleep(1.2)
        assert np.abs(page.picture() - before).mean() > 0.5, "the picture stands still with the gas held"
        rates.append(page.value("dreamcade.stats.fps"))
    ticks, played = page.value("dreamcade.stats.tick") - first, time.monotonic() - began
    page.page.screenshot(path=tmp_path / "driving.png")
    latency = page.value("dreamcade.player.latencies.summary().p50")
    print(
        f"displayed {np.median(rates):.1f} fps (lowest {min(rates):.1f}), {ticks / played:.1f} ticks/s, "
        f"key to picture {latency:.0f} ms (median), screenshots in {tmp_path}"
    )
    page.keyboard.up("ArrowUp")

    # How fast a machine is, benches tell; here the page must show what the engine makes, and promptly.
    assert played >= 18
    assert ticks >= 8 * played
    assert np.median(rates) >= 0.8 * ticks / played
    assert 0 < latency < 1000
    assert not page.errors


@pytest.mark.skipif("racing" not in shipped_worlds(), reason="the world 'racing' is not in this build")
def test_the_picture_answers_the_keys(serve: Serve, context: Any) -> None:
    server = serve("racing", free_port()).wait_until_awake()
    page = Page(context, server.address + "/#/racing/straight")
    page.wait_for_play()

    def drive(*keys: str) -> np.ndarray:
        page.keyboard.press("r")
        page.wait("dreamcade.stats.tick < 10")
        page.hold("ArrowUp", *keys, seconds=0.6)  # a second of full lock leaves the road on either side
        return page.picture()

    straight, again, left, right = drive(), drive(), drive("ArrowLeft"), drive("ArrowRight")
    noise = np.abs(straight - again).mean()
    assert np.abs(left - right).mean() > max(4.0, 1.2 * noise)
    assert not page.errors


def test_keys_reach_the_engine_and_light_up(serve: Serve, context: Any, toy: str) -> None:
    server = serve(toy, free_port()).wait_until_awake()
    page = Page(context, server.address + "/#/toy/right").wait_for_play()
    assert page.page.locator("#start-title").inner_text() == "From the right"
    page.keyboard.down("ArrowLeft")
    page.keyboard.down("Space")
    assert page.value("dreamcade.player.action") == {"steer": -1, "jump": 1}
    assert page.page.locator("kbd.lit").all_inner_texts() == ["←", "Space"]
    page.keyboard.down("ArrowRight")  # the newer of two opposite keys wins
    assert page.value("dreamcade.player.action")["steer"] == 1
    page.page.evaluate("window.dispatchEvent(new Event('blur'))")
    assert page.value("dreamcade.player.action") == {"steer": 0, "jump": 0}
    page.wait("dreamcade.latencies().changes.length > 0")
    assert not page.errors


def test_a_key_held_while_the_dream_wakes_counts(serve: Serve, context: Any, toy: str) -> None:
    server = serve(toy, free_port()).wait_until_awake()
    page = Page(context, server.address)
    page.wait("!!document.querySelector('.start')")
    page.value("location.hash = '#/toy/left'")
    page.keyboard.down("ArrowRight")
    page.wait_for_play()
    page.wait("dreamcade.player.action.steer === 1")
    page.page.evaluate("window.dispatchEvent(new Event('blur'))")
    assert page.value("dreamcade.player.action.steer") == 0
    page.keyboard.down("ArrowRight")  # held on, it repeats
    assert page.value("dreamcade.player.action.steer") == 1


def test_gamepad_and_touch_steer(serve: Serve, browser: Any, toy: str) -> None:
    server = serve(toy, free_port()).wait_until_awake()
    context = browser.new_context(viewport={"width": 844, "height": 390}, has_touch=True, is_mobile=True)
    context.add_init_script(
        """window.pad = { connected: true, mapping: 'standard', axes: [0, 0, 0, 0],
                          buttons: Array.from({ length: 17 }, () => ({ value: 0, pressed: false })) };
           navigator.getGamepads = () => [window.pad];"""
    )
    page = Page(context, server.address + "/#/toy/left").wait_for_play()
    page.value("window.pad.axes[0] = -1")
    page.wait("dreamcade.player.action.steer === -1")
    page.value("window.pad.axes[0] = 0.05")  # within the dead zone
    page.wait("dreamcade.player.action.steer === 0")
    page.value("window.pad.buttons[0] = { value: 1, pressed: true }")
    page.wait("dreamcade.player.action.jump === 1")
    page.value("window.pad.connected = false")
    page.wait("dreamcade.player.action.jump === 0")

    fingers = context.new_cdp_session(page.page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        at = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    def middle(zone: str) -> tuple[float, float]:
        box = page.page.locator(zone).bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    strip, pad = middle(".touch-strip"), middle(".touch-pad")
    touch("touchStart", strip, pad)
    page.wait("dreamcade.player.action.jump === 1 && dreamcade.player.action.steer === 0")
    touch("touchMove", (strip[0] - 60, strip[1]), pad)
    page.wait("dreamcade.player.action.steer < -0.5")
    touch("touchEnd")
    page.wait("dreamcade.player.action.jump === 0 && dreamcade.player.action.steer === 0")
    assert not page.errors
    context.close()


def test_an_axis_that_lies_upright_is_pushed_up(serve: Serve, browser: Any, tiny_world: World, tmp_path: Path) -> None:
    steer = dataclasses.replace(
        tiny_world.controls.axes[0], negative_keys=("ArrowDown",), positive_keys=("ArrowUp",), gamepad="-axis:1"
    )
    controls = dataclasses.replace(tiny_world.controls, axes=(steer,))
    manifest = dataclasses.replace(tiny_world.manifest, controls=controls)
    dataclasses.replace(tiny_world, manifest=manifest).save(tmp_path / "toy")
    server = serve(str(tmp_path / "toy"), free_port()).wait_until_awake()
    context = browser.new_context(viewport={"width": 844, "height": 390}, has_touch=True, is_mobile=True)
    context.add_init_script(
        """window.pad = { connected: true, mapping: 'standard', axes: [0, -1, 0, 0], buttons: [] };
           navigator.getGamepads = () => [window.pad];"""
    )
    page = Page(context, server.address + "/#/toy/left").wait_for_play()
    page.wait("dreamcade.player.action.steer === 1")
    page.value("window.pad.axes[1] = 0")
    page.wait("dreamcade.player.action.steer === 0")
    box = page.page.locator(".touch-strip").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fingers = context.new_cdp_session(page.page)
    fingers.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y, "id": 0}]})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y - 60, "id": 0}]})
    page.wait("dreamcade.player.action.steer > 0.5")
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait("dreamcade.player.action.steer === 0")
    assert not page.errors
    context.close()


def test_buttons_are_pressed_by_the_keys_that_play(serve: Serve, context: Any, toy: str) -> None:
    """Space is bound to a control; on a button that has the focus it still presses that button."""
    server = serve(toy, free_port()).wait_until_awake()
    page = Page(context, server.address + "/#/toy/left").wait_for_play()
    page.keyboard.press("p")
    page.wait("dreamcade.state === 'paused' && document.activeElement.tagName === 'BUTTON'")
    page.keyboard.press("Space")
    page.wait("dreamcade.state === 'playing'")
    page.keyboard.press("p")
    page.keyboard.press("Escape")
    page.wait("dreamcade.state === 'away'")
    page.keyboard.press("Enter")
    page.wait_for_play()
    page.page.locator("#details").click()
    page.keyboard.down("Space")
    page.wait("dreamcade.player.action.jump === 1")  # the button does not keep the focus
    page.keyboard.up("Space")
    assert page.page.locator("#pause").get_attribute("aria-pressed") == "false"


def test_a_page_opened_in_the_background_waits(serve: Serve, context: Any, toy: str) -> None:
    server = serve(toy, free_port()).wait_until_awake()
    context.add_init_script("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    page = Page(context, server.address + "/#/toy/left")
    page.wait("window.dreamcade?.state === 'paused'")
    time.sleep(0.5)
    assert page.value("dreamcade.stats.tick") in (None, 0, 1)


def test_a_paused_or_hidden_page_costs_nothing(serve: Serve, context: Any, toy: str) -> None:
    server = serve(toy, free_port()).wait_until_awake()
    page = Page(context, server.address + "/#/toy/left").wait_for_play()
    page.hide()
    time.sleep(0.3)
    tick = page.value("dreamcade.stats.tick")
    spent = cpu_seconds(server.process.pid)
    time.sleep(2.0)
    assert page.value("dreamcade.stats.tick") == tick
    assert cpu_seconds(server.process.pid) - spent < 0.1
    page.value("delete document.hidden")
    page.keyboard.press("p")
    page.wait(f"dreamcade.stats.tick > {tick} + 10 && dreamcade.state === 'playing'")
    page.keyboard.press("Escape")
    page.wait("dreamcade.state === 'away'")
    wait_for(lambda: server.health()["sessions"] == 0, 5, "the session to end with the play")
    assert page.page.locator("#gallery").is_visible()


def test_the_picture_keeps_its_place_and_size(serve: Serve, browser: Any, toy: str) -> None:
    """Thumbs rest beside it, its light reaches every edge, and what the read-out has to tell does not resize it."""
    server = serve(toy, free_port()).wait_until_awake()
    for width, height, touch in ((1280, 800, False), (320, 568, False), (844, 390, True), (390, 844, True)):
        context = browser.new_context(viewport={"width": width, "height": height}, has_touch=touch, is_mobile=touch)
        page = Page(context, server.address + "/#/toy/left").wait_for_play()
        assert page.value(f"{BOX}(document.getElementById('glow'))") == [0, 0, width, height]
        for part in page.value(f"[...document.querySelectorAll('.bar button, .gauges span')].map({BOX})"):
            assert part[0] >= 0 and part[2] <= width, (part, width)
        picture = page.value(f"{BOX}(document.getElementById('screen'))")
        zones = [box for box in page.value(f"[...touch.querySelectorAll('[data-label]')].map({BOX})") if any(box)]
        assert len(zones) == (2 if touch else 0)
        for left, top, right, bottom in zones:
            assert right <= picture[0] or left >= picture[2] or bottom <= picture[1] or top >= picture[3]
            assert left >= 0 and right <= width and bottom <= height and right - left >= 40
        heights = page.value(
            """["", "1234 late · 5 skipped on the line"].map((told) => {
                 document.querySelector("[data-hud=losses]").textContent = told;
                 return document.getElementById("screen").offsetHeight;
               })"""
        )
        assert heights[0] == heights[1] > 0
        assert not page.errors
        context.close()


def test_the_gallery_shows_the_start_that_was_left(serve: Serve, context: Any, toy: str) -> None:
    server = serve(toy, free_port()).wait_until_awake()
    page = Page(context, server.address + "/#/%zz/%")  # a mistyped address is the gallery's
    page.wait("!!document.querySelector('.start')")
    page.value("location.hash = '#/toy/right'")
    page.wait_for_play()
    page.keyboard.press("Escape")
    page.wait("dreamcade.state === 'away'")
    assert page.page.locator(".start.chosen").inner_text() == "From the right"
    preview, cabinet = (page.page.locator(name).bounding_box() for name in (".attract", ".cabinet-front"))
    assert preview["height"] == pytest.approx(cabinet["height"], abs=4)  # but for its borders
    page.keyboard.press("Enter")
    page.wait_for_play()
    assert page.page.locator("#start-title").inner_text() == "From the right"
    assert not page.errors


def test_who_comes_back_to_a_hidden_page_goes_on_with_enter(serve: Serve, context: Any, toy: str) -> None:
    server = serve(toy, free_port()).wait_until_awake()
    page = Page(context, server.address + "/#/toy/left").wait_for_play()
    page.hide()
    page.value("delete document.hidden, document.dispatchEvent(new Event('visibilitychange'))")
    page.keyboard.press("Enter")
    page.wait("dreamcade.state === 'playing'")


def test_the_page_comes_back_with_the_server(serve: Serve, context: Any, toy: str, tmp_path: Path) -> None:
    port = free_port()
    server = serve(toy, port).wait_until_awake()
    page = Page(context, server.address + "/#/toy/right").wait_for_play()
    server.stop()
    page.wait("dreamcade.state === 'lost'")
    page.page.screenshot(path=tmp_path / "lost.png")
    assert "server went away" in page.page.locator("#veil").inner_text()
    serve(toy, port)
    page.wait("dreamcade.state === 'playing'", 60)
    assert page.page.locator("#start-title").inner_text() == "From the right"
    assert not page.errors


def test_the_gallery_shows_what_the_server_has_now(
    serve: Serve, context: Any, toy: str, tiny_world: World, tmp_path: Path
) -> None:
    port = free_port()
    server = serve(toy, port).wait_until_awake()
    page = Page(context, server.address + "/#/toy/right").wait_for_play()
    page.keyboard.press("Escape")
    page.wait("document.querySelectorAll('.start').length === 2")
    server.stop()
    manifest = dataclasses.replace(tiny_world.manifest, name="other", title="Other")
    dataclasses.replace(tiny_world, manifest=manifest).save(tmp_path / "other")
    serve(str(tmp_path / "other"), port).wait_until_awake()
    page.value("location.hash = '#/toy/right'")
    page.wait("['refused', 'lost'].includes(dreamcade.state)")
    page.page.get_by_role("button", name="All worlds").click()
    page.wait("document.querySelector('#gallery').innerText.includes('Other')")
    page.keyboard.press("Enter")
    page.wait_for_play()
    assert page.page.locator("#world-title").inner_text() == "Other"


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs POSIX signals")
def test_a_server_that_falls_silent_is_noticed(serve: Serve, context: Any, toy: str) -> None:
    server = serve(toy, free_port()).wait_until_awake()
    page = Page(context, server.address + "/#/toy/left").wait_for_play()
    server.process.send_signal(signal.SIGSTOP)
    try:
        page.wait("dreamcade.state === 'lost'", 15)
    finally:
        server.process.send_signal(signal.SIGCONT)
    page.wait("dreamcade.state === 'playing'", 30)
    assert not page.errors


def test_a_world_that_hangs_says_so_for_as_long_as_it_does(
    serve: Serve, context: Any, toy: str, tmp_path: Path
) -> None:
    sign = tmp_path / "sign"
    server = serve(toy, free_port(), "--kernels", "reference", code=HANGS.format(sign=str(sign))).wait_until_awake()
    page = Page(context, server.address + "/#/toy/left").wait_for_play()
    notice = page.page.locator("#notice")
    assert notice.is_hidden()
    sign.touch()
    page.wait("!document.getElementById('notice').hidden")
    assert notice.inner_text() == SLOW
    page.page.wait_for_timeout(5500)
    assert notice.is_visible(), "one line lasts four seconds: it was told again"
    sign.unlink()
    tick = page.value("dreamcade.stats.tick")
    page.wait("document.getElementById('notice').hidden", 3)
    page.wait(f"dreamcade.state === 'playing' && dreamcade.stats.tick > {tick} + 5")
    assert not page.errors


def test_who_plays_is_told_of_a_lost_device_and_plays_on(serve: Serve, context: Any, toy: str) -> None:
    server = serve(toy, free_port(), "--devices", "cpu:2", "--kernels", "reference").wait_until_awake()
    page = Page(context, server.address + "/#/toy/left").wait_for_play()
    assert page.page.locator("#notice").is_hidden()
    [worker] = workers_of(server)
    os.kill(worker, signal.SIGKILL)
    page.wait("!document.getElementById('notice').hidden")
    assert page.page.locator("#notice").inner_text() == "A device was lost; the dream goes on with one device."
    tick = page.value("dreamcade.stats.tick")
    page.wait(f"dreamcade.state === 'playing' && dreamcade.stats.tick > {tick} + 20")
    page.wait("document.getElementById('notice').textContent === 'All devices are back.'")
    page.wait("document.getElementById('notice').hidden")
    assert page.value("dreamcade.state") == "playing"
    assert not page.errors


def workers_of(server: Server) -> list[int]:
    """The processes that help it."""
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    threads = Path(f"/proc/{server.process.pid}/task").glob("*/children")
    return [int(pid) for children in threads for pid in children.read_text().split()]


def test_two_play_at_once_and_a_third_waits_for_a_place(serve: Serve, context: Any, toy: str) -> None:
    server = serve(toy, free_port(), "--players", "2").wait_until_awake()
    one = Page(context, server.address + "/#/toy/left").wait_for_play()
    two = Page(context, server.address + "/#/toy/left").wait_for_play()
    one.keyboard.down("ArrowLeft")
    assert one.value("dreamcade.player.action.steer") == -1
    assert two.value("dreamcade.player.action.steer") == 0
    before = two.value("dreamcade.stats.frames")
    two.wait(f"dreamcade.stats.frames > {before} + 20")
    third = Page(context, server.address + "/#/toy/left")
    third.wait("window.dreamcade?.state === 'refused'")
    assert "Every place is taken" in third.page.locator("#veil").inner_text()
    one.page.close()
    third.wait("dreamcade.state === 'playing'", 20)


def test_a_browser_that_lacks_something_is_told_what(serve: Serve, context: Any, toy: str) -> None:
    server = serve(toy, free_port()).wait_until_awake()
    context.add_init_script("delete window.createImageBitmap")
    page = Page(context, server.address)
    page.wait("!document.getElementById('unsupported').hidden")
    assert "createImageBitmap" in page.page.locator("#unsupported").inner_text()


def test_a_browser_that_cannot_read_the_page_is_told(serve: Serve, context: Any, toy: str) -> None:
    server = serve(toy, free_port()).wait_until_awake()
    context.route("**/client/player.js", lambda route: route.fulfill(body="class {", content_type="text/javascript"))
    page = Page(context, server.address)
    page.wait("!document.getElementById('unsupported').hidden")
    assert "too old" in page.page.locator("#unsupported").inner_text()


def test_every_change_is_timed_from_its_event_to_its_paint(serve: Serve, context: Any, toy: str) -> None:
    server = serve(toy, free_port()).wait_until_awake()
    page = Page(context, server.address + "/#/toy/left").wait_for_play()
    for count in range(1, 4):
        page.hold("ArrowLeft", seconds=0.7)  # longer than a heartbeat, which is no change and must not count
        page.wait(f"dreamcade.latencies().changes.length === {2 * count}")
    records = page.value("dreamcade.latencies()")
    for change in records["changes"]:
        assert sum(change["stages"].values()) == pytest.approx(change["totalMs"], abs=1.0)
        assert all(value >= 0 for value in change["stages"].values()), change
        assert change["clientMs"] <= change["sentMs"] <= change["paintedMs"] == change["clientMs"] + change["totalMs"]
        assert change["stages"]["wait"] > 0 and change["stages"]["dynamics"] > 0 and change["stages"]["decode"] > 0
    assert {frame["kind"] for frame in records["frames"]} == {"computed"}
    read_out = page.page.locator("#hud")
    for part in ("latency", "p95", "effective"):
        page.wait(f"Number(document.querySelector('[data-hud={part}]').textContent) > 0")
    assert "made 100 %" in read_out.inner_text().replace("\u00a0", " ")
    effective, true = page.value("[dreamcade.stats.effectiveMs, dreamcade.player.latencies.summary().p50]")
    assert 0 < effective < true, "nothing is drafted here"
    page.keyboard.press("p")
    page.keyboard.down("ArrowRight")  # while nothing is played
    page.keyboard.press("p")
    page.wait("dreamcade.state === 'playing'")
    time.sleep(0.5)
    assert len(page.value("dreamcade.latencies().changes")) == 6
    assert not page.errors


@pytest.mark.parametrize(("width", "height", "touch"), [(1280, 800, False), (420, 800, False), (844, 390, True)])
def test_modes_are_switched_in_the_details(
    serve: Serve, browser: Any, toy: str, width: int, height: int, touch: bool, tmp_path: Path
) -> None:
    server = serve(toy, free_port()).wait_until_awake()
    viewport = {"width": width, "height": height}
    context = browser.new_context(viewport=viewport, has_touch=touch, is_mobile=touch)
    page = Page(context, server.address + "/#/toy/left").wait_for_play()
    switches = page.page.locator("#switches")
    assert switches.is_hidden()
    page.page.locator("#details").click()
    assert page.page.locator("#details").get_attribute("aria-expanded") == "true"
    box = page.page.locator("#switches" if width > 900 else "#panel").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] >= 0 and box["y"] + box["height"] <= height
    assert "dreamcade train predictor" in switches.locator("code").first.inner_text()

    def switch(mode: str) -> Any:
        return page.page.locator(f"[data-mode={mode}]")

    assert switch("pipeline").get_attribute("aria-checked") == "true"
    switch("pipeline").click()
    page.wait("document.querySelector('[data-mode=pipeline]').getAttribute('aria-checked') === 'false'")
    switch("speculation").click()
    page.wait("dreamcade.player.modes !== null")
    assert switch("speculation").get_attribute("aria-checked") == "false", "the world has no predictor"
    assert page.value("document.activeElement.id") == "screen"
    page.page.screenshot(path=tmp_path / f"details-{width}.png")
    page.keyboard.press("i")
    assert switches.is_hidden()
    page.keyboard.down("Space")
    page.wait("dreamcade.player.action.jump === 1")
    assert not page.errors
    context.close()


def test_the_page_speaks_the_protocol(serve: Serve, context: Any, toy: str) -> None:
    server = serve(toy, free_port()).wait_until_awake()
    page = Page(context, server.address)
    timing = FrameTiming(4, 5, 6, 7, 8, 9, FrameKind.EXTRAPOLATED, drafted=True)
    frame = FrameMessage(b"picture", 1, 2, 3.5, timing, 30, 10, 11, Tally(12, 13, 14, 15, 16, 17))
    read = page.page.evaluate(
        """async (bytes) => {
          const { unpackFrame } = await import("/client/protocol.js");
          const frame = unpackFrame(new Uint8Array(bytes).buffer);
          return { ...frame, image: new TextDecoder().decode(frame.image) };
        }""",
        list(pack_frame(frame)),
    )
    tally = {"computed": 12, "extrapolated": 13, "inBetween": 14, "hits": 15, "missed": 16, "wasted": 17}
    assert read == {
        "tick": 1, "sequence": 2, "clientMs": 3.5, "dynamicsMs": 4, "decodeMs": 5, "encodeMs": 6, "waitMs": 7,
        "queueMs": 8, "readyMs": 9, "fps": 30, "kind": "extrapolated", "drafted": True, "late": 10, "dropped": 11,
        "tally": tally, "image": "picture",
    }  # fmt: skip
    packed = page.value(
        """import("/client/protocol.js").then(({ packInput }) =>
             [...new Uint8Array(packInput(7, 12.5, new Float32Array([-1, 0.5])))])"""
    )
    sent = unpack_input(bytes(packed), 2)
    assert (sent.sequence, sent.client_ms, sent.action.tolist()) == (7, 12.5, [-1, 0.5])


def test_a_change_is_answered_by_the_first_frame_that_used_it(serve: Serve, context: Any, toy: str) -> None:
    server = serve(toy, free_port()).wait_until_awake()
    page = Page(context, server.address)
    done = page.value(
        """import("/client/latency.js").then(({ Latencies }) => {
          const latencies = new Latencies();
          const t = performance.now();
          const frame = (sequence, at, more = {}) => ({
            sequence, tick: sequence, arrivedMs: t + at, decodedMs: t + at + 3, kind: "computed", drafted: false,
            waitMs: 10, readyMs: 50, decodeMs: 15, encodeMs: 5, ...more,
          });
          const show = (shown, at) => { latencies.arrived(shown); latencies.painted(shown, t + at); };
          latencies.sent(1, t, true);
          latencies.sent(2, t, false); // a heartbeat, which the tick takes instead
          show(frame(0, 20), 25); // an old frame
          show(frame(2, 30, { kind: "in between" }), 35);
          latencies.arrived(frame(2, 80)); // overtaken before it was drawn
          show(frame(2, 90), 100);
          show(frame(2, 120), 130);
          latencies.sent(3, t + 200, true);
          show(frame(3, 220, { drafted: true, readyMs: 8 }), 230); // most of it was done before the key
          latencies.sent(4, t + 300, true);
          latencies.interrupt();
          show(frame(4, 1000), 1010);
          return [latencies.records, latencies.summary()];
        })"""
    )
    (one, two), summary = done
    assert one["totalMs"] == pytest.approx(100, abs=0.1)
    assert one["stages"]["dynamics"] == 30 and one["stages"]["decode"] == 15 and one["stages"]["encode"] == 5
    assert one["stages"]["wait"] == pytest.approx(10, abs=4) and one["stages"]["unpack"] == pytest.approx(13, abs=0.1)
    assert two["totalMs"] == pytest.approx(30, abs=0.1) and two["drafted"]
    assert two["stages"]["dynamics"] == 0 and two["stages"]["decode"] == 3 and two["stages"]["encode"] == 5
    assert summary["p95"] == one["totalMs"]


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far."""
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_somebody_records_the_real_game(serve: Serve, context: Any, tmp_path: Path) -> None:
    pytest.importorskip("Box2D", reason="needs the extra 'games'")
    data = tmp_path / "mine"
    arguments = ("record", "gym:CarRacing-v3", "--policy", "human", "--no-browser", "--size", "240x160")
    arguments += ("--out", str(data))
    server = serve("", free_port(), arguments=arguments).wait_until_awake()
    page = Page(context, server.address)
    page.wait("!!document.querySelector('.start')", 60)
    assert "the game itself" in page.page.locator("#gallery").inner_text()
    page.page.screenshot(path=tmp_path / "gallery.png")
    page.keyboard.press("Enter")
    page.wait_for_play()
    before = page.picture()
    page.hold("ArrowUp", seconds=3.5)
    assert np.abs(page.picture() - before).mean() > 2, "the real car has driven"
    page.keyboard.press("KeyI")
    assert page.page.locator("#switches").is_hidden(), "a game has no modes"
    assert "dream" not in page.page.locator("#play").inner_text(), "it is the real game"
    page.wait("dreamcade.latencies().changes.length === 2")
    page.page.screenshot(path=tmp_path / "playing.png")
    page.keyboard.press("KeyP")
    page.wait("dreamcade.state === 'paused'")
    assert "dream" not in page.page.locator("#veil").inner_text()
    page.keyboard.press("Escape")
    wait_for(lambda: list(data.glob("episodes/episode-*/columns.parquet")), 20, "the play to be stored")
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(20) == 0
    dataset = Dataset.open(data)
    [episode] = dataset.episodes("all")
    gas = dataset.actions(episode)[:, dataset.meta.controls.names.index("gas")]
    assert gas.mean() > 0.3 and gas[0] == 0
    assert float(dataset.column(episode, "speed").max()) > 10
    assert not page.errors
