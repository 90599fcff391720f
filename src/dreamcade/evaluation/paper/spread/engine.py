"""The paper's engine over several devices: while frame t is drawn, the dynamics is at frame t + 1.

This process is the head: the first device of the dynamics, and the one that knows what was committed. Workers share its
passes, or draw. When one is lost, the layout is redone on those that are left between two frames; every rank's memory
is made anew from the head's newest frames, and at most the frame under way is made again.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from dreamcade.cluster.crew import Crew
from dreamcade.cluster.hosts import Errand, Hosts, LocalHosts
from dreamcade.cluster.layout import Decoding, Layout
from dreamcade.cluster.meeting_place import MeetingPlace
from dreamcade.cluster.member import Member
from dreamcade.cluster.pulse import Patience, Replacing
from dreamcade.cluster.recovery import Roles, assign, remain
from dreamcade.core.device import resolve_device
from dreamcade.core.errors import BadInputError, RankLostError
from dreamcade.evaluation.paper.spread.artists import Artist, Own, Together, Worker
from dreamcade.evaluation.paper.spread.parts import PATIENCE, DynamicsPart, Meeting, PicturePart
from dreamcade.evaluation.paper.spread.passes import Passes
from dreamcade.evaluation.paper.spread.pictures import Dreamt, Made, Pictures
from dreamcade.evaluation.paper.spread.setting import Setting, expect_alike, identity_of

logger = logging.getLogger(__name__)
HOST = "127.0.0.1"
LOOK = 0.05
"""Seconds between two looks at what was redone, for who waits for room."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Formation:
    """Who does what: workers of the passes, and of the pictures."""

    layout: Layout
    ranks: tuple[Member, ...] = ()
    decoders: tuple[Member, ...] = ()


class SpreadEngine:
    """`layout` on `devices` (names, the head's first), for one player. One thread plays.

    `tell(text)` is called, from a thread of the crew, whenever a worker was lost or has come; `replace`: who is lost is
    replaced. Raises `BadInputError`
    for too few devices, more in the dynamics than there are heads, more strips than rows of latent cells, and where a
    worker cannot begin.
    """

    def __init__(
        self, setting: Setting, layout: Layout, devices: tuple[str, ...], *, hosts: Hosts | None = None,
        tell: Callable[[str], None] = lambda text: None, replace: bool = False,
    ) -> None:  # fmt: skip
        expect_fit(setting, layout, devices)
        self.setting, self.replace = setting, replace
        self._devices, self._tell = devices, tell
        device = resolve_device(devices[0])
        if device.type == "cuda":
            torch.cuda.set_device(device)  # groups, graphs and Triton's launches take the current one
        model, decoder = setting.build(device)
        self._place = MeetingPlace()
        meeting = Meeting(self._place.store, HOST)
        self._identity = identity_of(model, decoder)
        self._own = Own(PicturePart(decoder, setting.sizes.latent_shape, meeting))
        self._passes, self._pictures = Passes(DynamicsPart(model, setting.cache, meeting)), Pictures()
        self._patience, self._replacing = Patience(), Replacing()
        self._names, self._guard, self._news = itertools.count(1), threading.Lock(), threading.Event()
        self._wanted, self._roles, self._known = layout, Roles(), set[str]()
        self._aim, self._formed = _Formation(layout), _Formation(Layout(shared=True))
        self._gathered = False
        self._crew = Crew(LocalHosts() if hosts is None else hosts, self._errand, self._changed, HOST)
        self._gather()

    @property
    def layout(self) -> Layout:
        """What is there of the one that was asked for."""
        return self._formed.layout

    @property
    def workers(self) -> list[Member]:
        """Those that are there; the passes' first, in the order of their ranks."""
        with self._guard:
            return [*self._aim.ranks, *self._aim.decoders]

    @property
    def skipped(self) -> int:
        """Frames that were lost with their decoder."""
        return self._pictures.skipped

    @property
    def on_their_way(self) -> int:
        """Frames that were submitted, and neither came nor were skipped."""
        return self._pictures.on_their_way

    def submit(self, actions: Tensor, noise: Tensor) -> int:
        """The next frame, by an action float32 `[1, A]` and noise `[steps, 1, L, P]`, on the CPU → its number. It comes
        by `take`. Waits as long as there is no room for it on the way."""
        return self.submit_next(lambda: (actions, noise))

    def submit_next(self, read: Callable[[], tuple[Tensor, Tensor]]) -> int:
        """The same, of what is read as late as possible: when there is room."""
        self._settle()
        while not self._pictures.room(LOOK):
            self._settle()
        asked = time.perf_counter()
        latents, dit_ms = self._step(*read())
        dreamt = Dreamt(latents.cpu(), asked, dit_ms)
        while not self._pictures.room(LOOK):  # artists were lost meanwhile
            self._settle()
        return self._pictures.submit(dreamt)

    def take(self) -> list[Made]:
        """The frames that are here, in order."""
        return self._pictures.take()

    def drain(self) -> list[Made]:
        """Waits for all frames that are on their way → those that `take` has not given yet."""
        while not self._pictures.idle(LOOK):
            self._settle()
        return self.take()

    def play(self, given: Iterable[tuple[Tensor, Tensor]]) -> Iterator[Made]:
        """A frame for each action and noise, as they come."""
        for actions, noise in given:
            self.submit(actions, noise)
            yield from self.take()
        yield from self.drain()

    def reset(self) -> None:
        """Forgets all frames."""
        self.drain()
        self._settle()
        self._passes.reset()

    def arrange(self, layout: Layout) -> None:
        """Goes on with another layout of the devices that are there."""
        expect_fit(self.setting, layout, self._devices)
        with self._guard:
            self._wanted, self._roles = layout, Roles()
        self._redo()
        self._settle()

    def close(self) -> None:
        """Ends the workers and all threads; closing twice is fine."""
        self._crew.close()
        self._passes.leave()
        self._own.close()
        self._place.close()

    def __enter__(self) -> SpreadEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _gather(self) -> None:
        try:
            for place in range(len(self._devices) - 1):
                self._crew.start(place)
            self._crew.gather()
            for member in self._crew.there:
                self._patience.took(1, member.facts["warm_ms"] / 1e3)
                self._known.add(member.name)
            self._gathered = True
            self._redo()
            self._settle()
        except BaseException:
            self.close()
            raise

    def _errand(self, place: int, connect: Mapping[str, Any]) -> Errand:
        return self.setting.errand(self._devices[1 + place], self._place.address, self._identity, connect)

    def _step(self, actions: Tensor, noise: Tensor) -> tuple[Tensor, float]:
        while True:
            self._news.clear()
            self._settle()
            try:
                return self._passes.step(actions, noise)
            except RankLostError as error:
                logger.warning("a frame is made again: %s", error)
                self._news.wait(PATIENCE)  # who it was, if it was a worker

    def _settle(self) -> None:
        """Brings about what is aimed at. Between two frames."""
        with self._guard:
            aim = self._aim
        if aim.ranks != self._passes.asked or not self._passes.whole:
            self._passes.form(aim.ranks)
        if aim != self._formed or not self._pictures.whole or not self._pictures.artists:
            self._arrange(aim)
        self._formed = aim

    def _arrange(self, aim: _Formation) -> None:
        before = self._formed
        same = before.decoders == aim.decoders and before.layout.decoding == aim.layout.decoding
        if same and self._pictures.whole and self._pictures.artists:
            return
        if self._pictures.whole and all(member.reason is None for member in before.decoders):
            self._pictures.idle(PATIENCE)  # nobody was lost: nor shall a frame be
        there = [member for member in aim.decoders if member.reason is None]
        if aim.layout.decoding == Decoding.SPATIAL and 1 < len(there) == len(aim.decoders):
            try:
                self._pictures.arrange([Together(f"strips {next(self._names)}", there, self._patience.limit(1))])
                return
            except RankLostError as error:
                logger.warning("frames are drawn whole: %s", error)
        workers: list[Artist] = [Worker(member, self._patience) for member in there if member.reason is None]
        self._pictures.arrange(workers or [self._own])

    def _changed(self, member: Member) -> None:
        """Somebody was lost or has come. In the crew's thread."""
        if not self._gathered:
            return
        came = member.reason is None and member.name not in self._known
        went = member.reason is not None and member.name in self._known
        if member.reason is not None and self.replace:
            self._crew.start_later(member.place, self._replacing.lost(time.monotonic()))
        if not (came or went):
            return
        self._known ^= {member.name}
        self._redo()
        self._passes.break_off(member)
        self._news.set()
        self._tell(f"{member.name} {'is here' if came else 'is gone: ' + str(member.reason)}")

    def _redo(self) -> None:
        """What is aimed at, with the workers that are there."""
        there = {member.name: member for member in self._crew.there}
        with self._guard:
            layout = remain(self._wanted, self._roles, list(there))
            self._roles = assign(layout, self._roles, list(there))
            ranks, decoders = (tuple(there[n] for n in names) for names in (self._roles.dynamics, self._roles.decoders))
            self._aim = _Formation(layout, ranks, decoders)


def expect_fit(setting: Setting, layout: Layout, devices: tuple[str, ...]) -> None:
    """Raises `BadInputError` where `layout` needs more than there is."""
    expect_alike(devices)
    if layout.pipeline_devices > len(devices):
        raise BadInputError(
            f"the plan is for {layout.pipeline_devices} devices ({layout.split}) and {len(devices)} are given; "
            "give more devices, or make another plan"
        )
    config = setting.sizes.dynamics(setting.attention)
    most = min(config.heads, config.tokens)
    if layout.dit_devices > most:
        raise BadInputError(
            f"{setting.preset} has {config.heads} heads and {config.tokens} tokens to share among {layout.dit_devices} "
            f"devices; use at most {most} in the dynamics"
        )
    rows = config.latent_height
    if layout.decoding == Decoding.SPATIAL and layout.decoder_devices > rows:
        raise BadInputError(
            f"{setting.preset} has {rows} rows of latent cells to cut into {layout.decoder_devices} strips; use fewer "
            "decoders, or round-robin"
        )


def random_inputs(setting: Setting, frame: int) -> tuple[Tensor, Tensor]:
    """An action `[1, A]` within [−1, 1] and noise `[steps, 1, L, P]`, by the frame's number."""
    config, generator = setting.sizes.dynamics(setting.attention, setting.steps), torch.Generator().manual_seed(frame)
    actions = 2 * torch.rand(1, config.action_size, generator=generator) - 1
    shape = len(config.sampling_levels), 1, config.tokens, config.token_size
    return actions, torch.randn(shape, generator=generator)
