"""A process of the paper's engine beside the head: a rank of the dynamics, or a decoder, as it is told.

It holds weights and what follows from the head's frames, so it can be lost at any time.
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
from dreamcade.core.errors import RankLostError, WorldError
from dreamcade.dynamics.rebuild import Past
from dreamcade.evaluation.paper.spread.parts import DynamicsPart, Meeting, PicturePart
from dreamcade.evaluation.paper.spread.setting import Setting, identity_of


def run(
    address: str, name: str, token: str, setting: Mapping[str, Any], device: str, store: str, identity: str
) -> None:
    """The errand of `Setting.errand`."""
    work(address, name, token, lambda: _prepare(Setting.from_json(setting), device, store, identity))


def _prepare(setting: Setting, device: str, store: str, identity: str) -> tuple[Mapping[str, Command], dict[str, Any]]:
    place = resolve_device(device)
    if place.type == "cuda":
        torch.cuda.set_device(place)  # streams, graphs and Triton's launches take the current one
    else:
        torch.set_num_threads(setting.threads)
        keep_freed_memory()
    model, decoder = setting.build(place)
    if identity_of(model, decoder) != identity:
        raise WorldError("its random weights are not the head's; run the same build of PyTorch on devices of one kind")
    meeting = Meeting(meet_at(store))
    shape = setting.sizes.latent_shape
    helper = Helper(DynamicsPart(model, setting.cache, meeting), PicturePart(decoder, shape, meeting))
    commands: dict[str, Command] = {
        "join passes": helper.join_passes, "join pictures": helper.join_pictures, "step": helper.step,
        "draw": helper.draw, "strip": helper.draw_strip,
    }  # fmt: skip
    return commands, {"device": str(place), "pid": os.getpid(), "warm_ms": helper.warm_up(shape)}


class Helper:
    """What a worker knows to do."""

    def __init__(self, dynamics: DynamicsPart, pictures: PicturePart) -> None:
        self._dynamics, self._pictures = dynamics, pictures

    def warm_up(self, shape: tuple[int, int, int]) -> float:
        """Draws pictures of nothing → milliseconds of the second one."""
        for _ in range(2):
            began = time.perf_counter()
            self._pictures.draw(torch.zeros(1, *shape))
        return (time.perf_counter() - began) * 1e3

    def join_passes(self, message: Message) -> Answer:
        """The group `name`, as its `rank` of `size`, from the head's `count` frames: the newest tokens and actions."""
        config, count = self._dynamics.model.config, int(message.fields["count"])
        empty = torch.zeros(0, config.tokens, config.token_size), torch.zeros(0, config.action_size)
        tokens, actions = read_tensors(message) if count else empty
        return _together(lambda: self._dynamics.join(**_place(message), past=Past(tokens, actions, count)))

    def join_pictures(self, message: Message) -> Answer:
        """Likewise for strips."""
        return _together(lambda: self._pictures.join(**_place(message)))

    def step(self, message: Message) -> Answer:
        """Its part of a frame: actions `[1, A]` and noise `[steps, 1, L, P]`, the same as everybody's."""
        actions, noise = read_tensors(message)
        return _together(lambda: self._dynamics.step(actions, noise))

    def draw(self, message: Message) -> Answer:
        """Latents `[1, c, h, w]` → pixels uint8 `[1, H, W, 3]`, and the milliseconds that it took."""
        return self._drawn(message, self._pictures.draw)

    def draw_strip(self, message: Message) -> Answer:
        """→ its rows of them."""
        return self._drawn(message, self._pictures.draw_strip)

    def _drawn(self, message: Message, draw: Callable[[torch.Tensor], torch.Tensor]) -> Answer:
        [latents] = read_tensors(message)
        began = time.perf_counter()
        try:
            pixels = draw(latents)
        except RankLostError as error:
            self._pictures.leave()
            return Answer({"lost": str(error)})
        return Answer({**describe([pixels]), "draw_ms": (time.perf_counter() - began) * 1e3}, raw([pixels]))


def _together(what: Callable[[], object]) -> Answer:
    """That another rank was lost is no fault of this one."""
    try:
        what()
    except RankLostError as error:
        return Answer({"lost": str(error)})
    return Answer()


def _place(message: Message) -> dict[str, Any]:
    return {name: message.fields[name] for name in ("name", "rank", "size", "meeting")}
