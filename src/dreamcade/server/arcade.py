"""The worlds on offer. They wake in the background, so that the page is there before PyTorch is."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dreamcade.core.errors import DreamcadeError, UnknownNameError, WorldError

if TYPE_CHECKING:
    from dreamcade.cluster.layout import Layout
    from dreamcade.server.stage import Stage, StageWorld

END_SECONDS = 5.0
"""For all game loops to end: a tick takes a fraction of a second, a first one, which compiles, a few."""

logger = logging.getLogger(__name__)


class Arcade:
    """Loads worlds one after the other in a thread of its own and hands out their stages.

    `names` lists what to load (called in that thread: finding shipped worlds needs PyTorch too); `load` makes one
    stage from one name. A world that fails to load is reported in `failures`; the others still play. `real_game` tells
    the page that nothing here is dreamed.
    """

    def __init__(
        self, names: Callable[[], Sequence[str]], load: Callable[[str], Stage], real_game: bool = False
    ) -> None:
        self._names = names
        self._load = load
        self._real_game = real_game
        self._stages: dict[str, Stage] = {}
        self._settled = threading.Event()
        self._changed = threading.Condition()
        self._closing = False
        self.failures: dict[str, str] = {}
        self.errors: list[DreamcadeError] = []
        self.on_settled: Callable[[], None] | None = None

    @property
    def state(self) -> str:
        """`waking` until every world was tried, then `awake`, or `failed` where none can be played."""
        if not self._settled.is_set():
            return "waking"
        return "awake" if self._stages else "failed"

    def wake(self) -> None:
        """Starts loading; returns at once."""
        threading.Thread(target=self._wake, name="dreamcade-wake", daemon=True).start()

    def close(self) -> None:
        """Stops every game loop; what hangs is left behind."""
        with self._changed:
            self._closing = True
            stages = list(self._stages.values())
            self._changed.notify_all()
        ending = [threading.Thread(target=_end, args=[stage], name="dreamcade-end", daemon=True) for stage in stages]
        for thread in ending:
            thread.start()
        deadline = time.monotonic() + END_SECONDS
        for thread in ending:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in ending):
            logger.warning("a world has not ended within %g s; it ends with this process", END_SECONDS)

    def stage(self, name: str, timeout: float = 120.0) -> Stage:
        """Blocks until the world `name` is awake. Raises `WorldError` or `UnknownNameError` when it never will be."""
        with self._changed:
            self._changed.wait_for(
                lambda: name in self._stages or self._settled.is_set() or self._closing, timeout=timeout
            )
            if name in self._stages:
                return self._stages[name]
            if name in self.failures:
                raise WorldError(self.failures[name])
            if not self._stages:
                raise WorldError("; ".join(self.failures.values()) or f"world {name!r} is still waking; try again")
            raise UnknownNameError("world", name, self._stages)

    def listing(self) -> dict[str, Any]:
        """What the gallery shows, as JSON."""
        with self._changed:
            return {
                "state": self.state,
                "real_game": self._real_game,
                "message": "; ".join(self.failures.values()),
                "worlds": [{**describe_world(s.world), "path": s.path} for s in self._stages.values()],
            }

    def status(self) -> dict[str, Any]:
        """Of each world that has replicas, where they and its sessions are."""
        with self._changed:
            stages = dict(self._stages)
        return {name: dict(stage.status()) for name, stage in stages.items() if stage.status is not None}

    def hanging(self) -> dict[str, str]:
        """Of each world that hangs, what does."""
        with self._changed:
            stages = dict(self._stages)
        told = {name: stage.hangs() for name, stage in stages.items() if stage.hangs is not None}
        return {name: what for name, what in told.items() if what}

    def thumbnail(self, world: str, start: str) -> bytes | None:
        """The JPEG of one start, or None where there is none."""
        with self._changed:
            stage = self._stages.get(world)
        if stage is None:
            return None
        return next((s.thumbnail for s in stage.world.starts if s.name == start), None)

    def clip(self, world: str) -> bytes | None:
        """The animated WebP of a world beside its game, or None where there is none."""
        with self._changed:
            stage = self._stages.get(world)
        return stage.world.clip if stage is not None else None

    def _wake(self) -> None:
        try:
            for name in self._names():
                self._wake_one(name)
        except DreamcadeError as error:
            self._fail("worlds", error)
        finally:
            with self._changed:
                self._settled.set()
                self._changed.notify_all()
            if self._stages:
                for message in self.failures.values():
                    logger.warning("%s", message)
            if self.on_settled is not None:
                self.on_settled()

    def _wake_one(self, name: str) -> None:
        try:
            stage = self._load(name)
        except DreamcadeError as error:
            self._fail(name, error)
            return
        except Exception as error:
            logger.exception("world %s cannot be loaded", name)
            self._fail(name, WorldError(f"world {name!r} cannot be loaded: {error}"))
            return
        with self._changed:
            if not self._closing:
                self._stages[stage.world.manifest.name] = stage
                self._changed.notify_all()
                return
        _end(stage)

    def _fail(self, name: str, error: DreamcadeError) -> None:
        with self._changed:
            self.failures[name] = str(error)
            self.errors.append(error)


def _end(stage: Stage) -> None:
    stage.loop.stop()
    if stage.close is not None:
        stage.close()


def describe_world(world: StageWorld) -> dict[str, Any]:
    """A world's entry in the gallery: title, controls, starts with the addresses of their thumbnails, card."""
    manifest = world.manifest
    return {
        "name": manifest.name,
        "title": manifest.title,
        "description": manifest.description,
        "game": manifest.game,
        "controls": manifest.controls.to_json(),
        "frame_size": list(manifest.frame_size),
        "tick_rate": manifest.tick_rate,
        "sampling_steps": manifest.sampling_steps,
        "card": dict(manifest.card),
        "clip": f"/api/worlds/{quote(manifest.name, safe='')}/clip.webp" if world.clip is not None else None,
        "starts": [
            {
                "name": start.name,
                "title": start.title,
                "thumbnail": f"/api/worlds/{quote(manifest.name, safe='')}/starts/{quote(start.name, safe='')}.jpg",
            }
            for start in world.starts
        ],
    }


def load_stage(
    name: str,
    device: str = "auto",
    sampling_steps: int | None = None,
    pipeline: bool = True,
    kernels: str = "auto",
    devices: str | None = None,
    plan: Layout | str | None = None,
) -> Stage:
    """Loads a world (shipped name or folder), warms its engine up, and starts its loop."""
    from dreamcade.engine.engine import Engine
    from dreamcade.engine.runner import GameLoop
    from dreamcade.server.encoding import encode_jpeg
    from dreamcade.server.stage import Stage
    from dreamcade.server.watch import Watch
    from dreamcade.world.world import World

    world = World.load(name)
    if not world.starts:
        raise WorldError(f"world {name!r} has no starts, so the page has nothing to begin from; build it with starts")
    engine = Engine(world, device, sampling_steps, kernels=kernels, devices=devices, plan=plan)
    if pipeline:
        engine.share_cores()  # as the loop will play: what is compiled, is compiled for a number of threads
    session = engine.open_session(seed=0)
    session.step(world.controls.idle())
    session.close()
    loop = GameLoop(engine, encode=encode_jpeg, pipeline=pipeline)
    loop.start()
    watch = Watch(engine.progress, engine.notices.tell)
    watch.start()

    def close() -> None:
        watch.stop()
        engine.close()

    return Stage(world, engine, loop, engine.path, close, hangs=watch.hangs)
