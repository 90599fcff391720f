"""A process that helps an engine: it loads the same world, and draws latents that the engine sends.

It holds weights and what follows from them, and nothing of any session: it can be lost at any time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from dreamcade.cluster.meeting_place import meet_at
from dreamcade.cluster.payload import describe, raw, read_tensors
from dreamcade.cluster.wire import Message
from dreamcade.cluster.worker import Answer, Command, work
from dreamcade.core.device import keep_freed_memory, resolve_device
from dreamcade.core.errors import DreamcadeError, RankLostError, WorldError
from dreamcade.dynamics.dynamics import Context
from dreamcade.engine.executors.choice import choose_executor
from dreamcade.engine.executors.executor import Executor
from dreamcade.engine.executors.part import Part
from dreamcade.engine.executors.prepared import prepared
from dreamcade.kernels.choice import using
from dreamcade.kernels.names import Kernels
from dreamcade.world.world import World


def run(
    address: str, name: str, token: str, world: str, identity: str, device: str, dtype: str, kernels: str, steps: int,
    threads: int, store: str,
) -> None:  # fmt: skip
    """The errand of `engine/executors/spread.py`. `world` is a folder, `identity` what must be in it; `kernels` and
    `dtype` are those of the engine; `store` is where groups meet (none: it will be in no group)."""
    work(address, name, token, lambda: _prepare(world, identity, device, dtype, kernels, steps, threads, store))


def _prepare(
    world: str, identity: str, device: str, dtype: str, kernels: str, steps: int, threads: int, store: str
) -> tuple[Mapping[str, Command], Mapping[str, Any]]:
    torch.set_num_threads(threads)
    keep_freed_memory()
    place = resolve_device(device)
    helper = Helper(read_world(world, identity), place, getattr(torch, dtype), Kernels.named(kernels), steps, store)
    facts = {"device": str(place), "memory": _memory(place), "pid": os.getpid(), "warm_ms": helper.warm_up()}
    commands = {
        "draw": helper.draw, "pass": helper.sample, "strip": helper.draw_strip,
        "join passes": helper.join_passes, "join pictures": helper.join_pictures, "hang": _hang,
    }  # fmt: skip
    return commands, facts


def read_world(folder: str, identity: str) -> World:
    """The world in `folder`. Raises `WorldError` where it cannot be read here, or is another one than `identity`."""
    try:
        world = World.load(folder)
    except (DreamcadeError, OSError) as error:
        raise WorldError(f"a world that the workers cannot read: {error}") from error
    if world.identity != identity:
        raise WorldError(
            f"a world that the workers cannot read as the engine has it: other weights are in {folder}; "
            "give both the same folder"
        )
    return world


class Helper:
    """What a worker knows to do."""

    def __init__(
        self, world: World, device: torch.device, dtype: torch.dtype, kernels: Kernels, steps: int, store: str
    ) -> None:
        self._device, self._kernels = device, kernels
        dynamics, codec = prepared(world.dynamics, device), prepared(world.codec, device)
        self._latent_shape = codec.config.latent_shape
        self._executor: Executor = choose_executor(dynamics, codec, dtype, kernels, steps)
        self._part: Part | None = None
        if store:
            self._part = Part(dynamics, codec, meet_at(store))

    def warm_up(self) -> float:
        """Draws pictures of nothing: what is compiled or captured, is so before anybody waits. Returns the milliseconds
        of the second one."""
        for _ in range(2):
            began = time.perf_counter()
            self._draw(torch.zeros(1, *self._latent_shape, dtype=self._executor.storage))
        return (time.perf_counter() - began) * 1000.0

    def draw(self, message: Message) -> Answer:
        """Latents `[B, c, h, w]` → pixels uint8 `[B, H, W, 3]`, and the milliseconds that it took."""
        [latents] = read_tensors(message)
        began = time.perf_counter()
        pixels = self._draw(latents)
        took = (time.perf_counter() - began) * 1000.0
        return Answer({**describe([pixels]), "draw_ms": took}, raw([pixels]))

    def join_passes(self, message: Message) -> Answer:
        """As `Part.join_passes`."""
        return self._together(lambda part: part.join_passes(**_place(message)))

    def join_pictures(self, message: Message) -> Answer:
        """As `Part.join_pictures`."""
        return self._together(lambda part: part.join_pictures(**_place(message)))

    def sample(self, message: Message) -> Answer:
        """This rank's part of a pass: recent, actions, ages, noise, keys, values, keys … as in `Context`."""
        recent, actions, ages, noise, *memory = (tensor.to(self._device) for tensor in read_tensors(message))
        context = Context(recent, actions, list(zip(memory[::2], memory[1::2], strict=True)), ages)
        return self._together(lambda part: part.sample(context, noise))

    def draw_strip(self, message: Message) -> Answer:
        """Latents `[B, c, h, w]` → this rank's rows, uint8 `[B, rows, W, 3]`."""
        [latents] = read_tensors(message)
        drawn: list[torch.Tensor] = []
        answer = self._together(lambda part: drawn.append(part.draw(latents.to(self._device)).cpu()))
        return Answer(describe(drawn), raw(drawn)) if drawn else answer

    def _together(self, what: Callable[[Part], object]) -> Answer:
        """That another rank was lost is no fault of this one."""
        assert self._part is not None
        try:
            with using(self._kernels):
                what(self._part)
        except RankLostError as error:
            return Answer({"lost": str(error)})
        return Answer()

    @torch.inference_mode()
    def _draw(self, latents: torch.Tensor) -> torch.Tensor:
        with using(self._kernels):
            return self._executor.draw(latents.to(self._device)).cpu()


def _place(message: Message) -> dict[str, Any]:
    return {name: message.fields[name] for name in ("name", "rank", "size")}


def _memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _hang(message: Message) -> Answer:
    """Computes nothing for so many seconds: for tests of what is done about it."""
    time.sleep(float(message.fields["seconds"]))
    return Answer()
