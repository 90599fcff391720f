"""How long a key takes to the eye: the real server, a real browser, the real page, and a player's key presses."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dreamcade.core.errors import BadInputError
from dreamcade.core.types import Tally
from dreamcade.evaluation.latency import NOTE, Changes, frame_figures, latency_figures
from dreamcade.server.chromium import open_chromium
from dreamcade.server.fingers import KeyEvent, plan_keys
from dreamcade.server.local_server import local_server
from dreamcade.world.manifest import WorldManifest, read_manifest
from dreamcade.world.shipped import locate

if TYPE_CHECKING:
    from playwright.sync_api import Page

Progress = Callable[[str, int, int], None]
WIDTH, HEIGHT = 1280, 800
"""Of the browser's window."""
WARM_UP_SECONDS = 3.0
SETTLE_SECONDS = 1.5
"""The last keys' pictures come within this time, or are counted as unanswered."""


@dataclass(frozen=True, slots=True)
class LatencyRun:
    """What a bench of latency has found: `figures` for a file, `changes` for a plot."""

    figures: dict[str, Any]
    changes: Changes


def bench_latency(
    world: str, seconds: float, *, modes: Mapping[str, bool] | None = None, options: Sequence[str] = (), seed: int = 0,
    progress: Progress | None = None,
) -> LatencyRun:  # fmt: skip
    """Plays `world` for `seconds` through `dreamcade play` (with its `options`) and Chromium.

    `modes` are switched through the page first, but for the pipeline, which the server begins with or without. Raises
    `BadInputError` for a time that is not positive, a server that does not come up, or play that no key is answered in.
    """
    if not 0 < seconds < 3600:
        raise BadInputError(f"a bench of latency takes more than 0 and less than 3600 seconds; got {seconds:g}")
    progress = progress or (lambda what, done, total: None)
    folder = locate(world)
    manifest = read_manifest(folder)
    if not (keys := plan_keys(manifest.controls, WARM_UP_SECONDS + seconds, seed)):
        raise BadInputError(f"no control of world {manifest.name!r} has a key, so there is nothing to press")
    modes = dict(modes or {})
    if not modes.pop("pipeline", True):
        options = [*options, "--no-pipeline"]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    with open_chromium() as browser, local_server(str(folder), options) as address:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(f"{address}/#/{manifest.name}")
        page.wait_for_function("() => window.dreamcade?.state === 'playing' && dreamcade.stats.frames > 5")
        told = _switch(page, modes)
        figures, changes = _play(page, keys, seconds, progress)
        figures["browser"] = f"Chromium {browser.version}, without a window and without a GPU"
    return LatencyRun({**_setting(manifest, seconds, seed), **told, **figures, "load_before": load}, changes)


def _setting(manifest: WorldManifest, seconds: float, seed: int) -> dict[str, Any]:
    return {
        "note": NOTE, "world": manifest.name, "seconds": seconds, "seed": seed, "tick_rate": manifest.tick_rate,
        "frame_size": list(manifest.frame_size),
    }  # fmt: skip


def _switch(page: Page, modes: dict[str, bool]) -> dict[str, Any]:
    """Switches modes as the page's own switches do → those that are really on, and what the engine says of others."""
    if modes:
        page.evaluate("(modes) => dreamcade.player.setModes(modes)", modes)
    page.wait_for_function("() => dreamcade.player.modes !== null")
    told = page.evaluate("() => dreamcade.player.modes")
    on = {name: told[name] for name in ("pipeline", "speculation", "extrapolation", "in_between")}
    return {"modes": on, "notes": [line for line in told["notes"].split("\n") if line]}


def _play(
    page: Page, keys: Sequence[KeyEvent], seconds: float, progress: Progress
) -> tuple[dict[str, Any], Changes]:  # fmt: skip
    early = [event for event in keys if event.at < WARM_UP_SECONDS]
    measured = [event for event in keys if event.at >= WARM_UP_SECONDS]
    began = time.monotonic()
    _press(page, early, began, lambda done: None)
    _sleep_until(began + WARM_UP_SECONDS)
    before = page.evaluate(_MARK)
    _press(page, measured, began, lambda at: progress("pressing keys", int(at - WARM_UP_SECONDS), int(seconds)))
    _sleep_until(began + WARM_UP_SECONDS + seconds)
    after = page.evaluate(_MARK)
    time.sleep(SETTLE_SECONDS)
    records = page.evaluate("() => dreamcade.latencies()")
    first, last = before["now"], after["now"]
    changes = [change for change in records["changes"] if first <= change["clientMs"] < last]
    frames = [frame for frame in records["frames"] if first <= frame["shownMs"] < last]
    if not changes or len(frames) < 2:
        raise BadInputError("no key was answered by a picture; play longer, or look whether the world plays at all")
    tally = Tally(*(after["tally"][name] - before["tally"][name] for name in _TALLY))
    counts = {
        "key_events": len(measured),
        "changes": len(changes),
        "drafted_changes": sum(c["drafted"] for c in changes),
    }
    timed = Changes.of(changes)
    return {**latency_figures(timed), **frame_figures(frames, tally), **counts}, timed


_MARK = "() => ({ now: performance.now(), tally: dreamcade.stats.tally })"
_TALLY = ("computed", "extrapolated", "inBetween", "hits", "missed", "wasted")


def _press(page: Page, events: Sequence[KeyEvent], began: float, told: Callable[[float], None]) -> None:
    for event in events:
        _sleep_until(began + event.at)
        (page.keyboard.down if event.down else page.keyboard.up)(event.code)
        told(event.at)


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
