"""A world over several devices: this process makes the latents, others draw them.

Workers are started, watched and replaced by a `Crew`. While one draws, the next frame goes to another; so frames a
second grow with the number of decoders. What a lost one had to draw goes to another, or is drawn here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dreamcade.cluster.crew import Crew
from dreamcade.cluster.hosts import Errand, Hosts
from dreamcade.cluster.layout import Layout
from dreamcade.cluster.member import Member
from dreamcade.cluster.payload import describe, raw, read_tensors
from dreamcade.cluster.pulse import Patience, Replacing
from dreamcade.cluster.recovery import Roles, assign, remain
from dreamcade.cluster.wire import Message, PeerLostError
from dreamcade.dynamics.dynamics import Abandoned, Context
from dreamcade.dynamics.transformer import GoOn
from dreamcade.engine.executors.executor import Executor
from dreamcade.engine.executors.groups import Groups
from dreamcade.engine.executors.own_thread import OwnThread
from dreamcade.kernels.names import Kernels

logger = logging.getLogger(__name__)
ENTRY = "dreamcade.engine.executors.worker:run"


@dataclass(frozen=True, slots=True)
class Setting:
    """What workers are told of the engine; `devices` are the workers', in order; `threads` of each on a CPU."""

    world: str
    identity: str
    devices: tuple[str, ...]
    dtype: str
    kernels: str
    steps: int
    threads: int
    replace: bool = True
    store: str = ""
    """Where groups meet; none: there are no groups."""

    def errand(self, place: int, connect: Mapping[str, Any]) -> Errand:
        """As `Crew` wants it."""
        arguments = {
            "world": self.world, "identity": self.identity, "device": self.devices[place], "dtype": self.dtype,
            "kernels": self.kernels, "steps": self.steps, "threads": self.threads, "store": self.store,
        }  # fmt: skip
        gpus = 1.0 if self.devices[place].startswith("cuda") else 0.0
        environment = {"OMP_NUM_THREADS": str(self.threads)} if not gpus else {}
        return Errand(str(connect["name"]), ENTRY, {**connect, **arguments}, float(self.threads), gpus, environment)


class SpreadExecutor:
    """`own` runs on this process's device; `layout` (one pipeline) says how many workers do what. `tell(text)` is
    called, from a thread of the crew, with a sentence for the players whenever workers were lost or are back.
    `example`, latents `[1, c, h, w]`, is drawn here first: should this process have to draw, it is ready to."""

    def __init__(
        self, own: Executor, layout: Layout, setting: Setting, hosts: Hosts, tell: Callable[[str], None],
        replan: Callable[[int], Layout] | None = None, groups: Groups | None = None, example: Tensor | None = None,
    ) -> None:  # fmt: skip
        self._own = own
        self._wanted = self.layout = layout
        self._setting = setting
        self._tell = tell
        self._replan = replan
        self._groups = groups
        self._roles = Roles()
        self._patience, self._replacing = Patience(), Replacing()
        self._guard = threading.Lock()
        self._turn = 0
        self._known: set[str] = set()
        self._gathered = False
        self._members: dict[str, Member] = {}
        self._drawing = OwnThread(own, Kernels.named(setting.kernels), setting.threads)
        self._crew = Crew(hosts, setting.errand, self._changed)
        try:
            self._gather(example)
        except BaseException:  # Ctrl-C too
            self._crew.close()
            self._drawing.close()
            raise
        self._redo()
        if groups is not None:
            groups.settle()

    def _gather(self, example: Tensor | None) -> None:
        """Starts all workers; returns when they are ready. Whoever is lost from then on is told of by the crew."""
        members = [self._crew.start(place) for place in range(len(self._setting.devices))]
        if example is not None:
            self._drawing.draw(example)
        self._known = {member.name for member in members}
        self._crew.gather()
        self._gathered = True
        for member in members:
            self._patience.took(1, member.facts["warm_ms"] / 1000.0)

    @property
    def name(self) -> str:
        return f"{self._own.name} {self._spread_text()}"

    @property
    def storage(self) -> torch.dtype:
        return self._own.storage

    @property
    def kernels(self) -> Kernels:
        return self._own.kernels

    @property
    def lanes(self) -> int:
        """One more than there are decoders: while each draws a frame, the next one is handed over."""
        if self._groups is not None and self._groups.shares_pictures:
            return 2
        return 1 + len(self._roles.decoders) if self._roles.decoders else 1

    @property
    def workers(self) -> list[Member]:
        """Those that are there."""
        return self._crew.there

    def sample(self, context: Context, noise: Tensor, go_on: GoOn | None = None) -> Tensor:
        if self._groups is not None and self.layout.dit_devices > 1:
            if go_on is not None and not go_on():
                raise Abandoned
            tokens = self._groups.sample(context, noise)  # which runs to its end: no rank gives up alone
            if tokens is not None:
                return tokens
        return self._own.sample(context, noise, go_on)

    def draw(self, latents: Tensor) -> Tensor:
        if self._groups is not None and self._groups.shares_pictures:
            pixels = self._groups.draw(latents)
            if pixels is not None:
                return pixels
        shares = self._shares(latents)
        asked = [self._ask(share) for share in shares]
        drawn = [self._drawn(share, answer) for share, answer in zip(shares, asked, strict=True)]
        return drawn[0] if len(drawn) == 1 else torch.cat([pixels.cpu() for pixels in drawn])

    def close(self) -> None:
        """Ends the workers and all threads; closing twice is fine. It draws no more then."""
        self._crew.close()
        if self._groups is not None:
            self._groups.close()
        self._drawing.close()

    def _spread_text(self) -> str:
        if self.layout.shared:
            return "on one device"
        how = f", {self.layout.decoding}" if self.layout.decoder_devices > 1 else ""
        return f"on {self.layout.split} devices{how}"

    def _shares(self, latents: Tensor) -> Sequence[Tensor]:
        """A batch goes to all decoders at once."""
        decoders = len(self._roles.decoders)
        return latents.tensor_split(min(len(latents), decoders)) if decoders > 1 else [latents]

    def _ask(self, latents: Tensor) -> Future[Message] | None:
        member = self._freest()
        if member is None:
            return None
        begun, size = time.monotonic(), len(latents)
        busy = member.waiting
        answer = member.ask("draw", describe([latents]), raw([latents]), seconds=self._patience.limit(size))
        if not busy:
            answer.add_done_callback(lambda done: self._note(done, size, time.monotonic() - begun))
        return answer

    def _note(self, done: Future[Message], size: int, seconds: float) -> None:
        if done.exception() is None:
            self._patience.took(size, seconds)

    def _drawn(self, latents: Tensor, answer: Future[Message] | None) -> Tensor:
        """What came for `latents`; where its worker was lost, from another, and in the end from here."""
        while answer is not None:
            try:
                [pixels] = read_tensors(answer.result())
                return pixels
            except PeerLostError as error:
                logger.info("a frame is drawn again: %s", error)
            answer = self._ask(latents)
        return self._drawing.draw(latents)

    def _freest(self) -> Member | None:
        """The decoder with the least to do; in turn, where several have."""
        with self._guard:
            decoders = [self._members[name] for name in self._roles.decoders]
            there = [member for member in decoders if member.reason is None]
            if not there:
                return None
            self._turn += 1
            turned = there[self._turn % len(there) :] + there[: self._turn % len(there)]
            return min(turned, key=lambda member: member.waiting)

    def _changed(self, member: Member) -> None:
        """Somebody was lost or has come: the layout is redone. In the crew's thread."""
        if not self._gathered:
            return
        came = member.reason is None and member.name not in self._known
        went = member.reason is not None and member.name in self._known
        if member.reason is not None and self._setting.replace:
            self._crew.start_later(member.place, self._replacing.lost(time.monotonic()))
        if not (came or went):
            return  # it was there from the beginning, or never came
        self._known ^= {member.name}
        self._redo()
        logger.warning("%s %s; play goes on %s", member.name, "is here" if came else "is gone", self._spread_text())
        self._tell(_notice(self.layout, self._wanted, came))

    def _redo(self) -> None:
        with self._guard:
            there = self._crew.there
            names = [member.name for member in there]
            if self._replan is not None and names:
                layout = self._replan(1 + len(names))
            else:
                layout = remain(self._wanted, self._roles, names)
            self._roles, self.layout = assign(layout, self._roles, names), layout
            self._members = {member.name: member for member in there}
        if self._groups is not None:
            ranks, decoders = ([self._members[name] for name in names] for names in self._of_roles())
            self._groups.regroup(self.layout, ranks, decoders)

    def _of_roles(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self._roles.dynamics, self._roles.decoders


def _notice(now: Layout, wanted: Layout, came: bool) -> str:
    if came:
        return "All devices are back." if now == wanted else "A device is back."
    rest = "one device" if now.shared else f"{now.pipeline_devices} devices"
    return f"A device was lost; the dream goes on with {rest}."
