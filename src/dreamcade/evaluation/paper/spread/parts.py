"""What one process does of a frame: its part of a pass, and a whole picture or its strip. The head has both, too."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

import torch
from torch import Tensor
from torch._C._distributed_c10d import Store

from dreamcade.cluster.decoder_rank import DecoderRank
from dreamcade.cluster.dynamics_group import DynamicsRank
from dreamcade.cluster.process_group import Group
from dreamcade.cluster.sequence_parallel import Ulysses
from dreamcade.core.errors import RankLostError
from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer
from dreamcade.dynamics.exchange import ALONE, Exchange
from dreamcade.dynamics.rebuild import Past
from dreamcade.engine.executors.capture import Replay
from dreamcade.evaluation.paper.spread.setting import Decoder

PLAYER, WARM_UP = "player", "warm up"
FIRST_PATIENCE = 20.0
"""Seconds for an exchange of a group's first frames: kernels are chosen, and perhaps compiled."""
PATIENCE = 0.8
"""Seconds for any later exchange …"""
POLL = 5e-5
"""Seconds between two looks at whether a GPU is done."""
TIMES = 3.0
"""… and at least so many times a whole frame's: where devices are slow, they wait longer for each other."""


@dataclasses.dataclass(frozen=True, slots=True)
class Meeting:
    """Where groups are formed: the head's store, and this machine's address as the others reach it."""

    store: Store
    host: str = "127.0.0.1"

    def join(self, name: str, rank: int, size: int, device: torch.device, seconds: float) -> Group:
        """Waits so many `seconds` for the other ranks."""
        return Group.join(
            self.store, name, rank, size, host=self.host, device=device, meeting=seconds, patience=FIRST_PATIENCE
        )


def finish_together(device: torch.device, group: Group | None) -> None:
    """Waits until a GPU has done what this thread's stream was given; not for what it draws on another one.

    On GPUs an exchange waits on the device, for ever if need be. So where there is a group, this gives up after its
    patience: `RankLostError`.
    """
    if device.type != "cuda":
        return
    stream = torch.cuda.current_stream(device)
    if group is None:
        stream.synchronize()
        return
    done = stream.record_event()
    deadline = time.perf_counter() + group.patience
    while not done.query():
        if time.perf_counter() > deadline:
            group.abandon()
            raise RankLostError(f"another rank is gone, or has not answered for {group.patience:g} s")
        time.sleep(POLL)


class DynamicsPart:
    """A rank of the dynamics: one player's memory, and the group that shares it. Commands come to all ranks of a group
    in the same order, one at a time. Raises `RankLostError` where another rank is gone; `join` again then."""

    def __init__(self, model: DiffusionTransformer, bits: int, meeting: Meeting | None) -> None:
        self.model = model
        self._rank = DynamicsRank(model, bits=bits)
        self._rank.open(PLAYER)
        self._meeting = meeting
        self._group: Group | None = None
        self._failed = False
        self.device = model.leave.weight.device

    def join(self, name: str, rank: int, size: int, meeting: float, past: Past | None = None) -> None:
        """Goes on with `size` devices (1: alone) from `past`; none: from its own, as the head does. Waits `meeting`
        seconds for the others."""
        self.leave()
        past = self.past() if past is None else past
        exchange: Exchange = ALONE
        if size > 1:
            assert self._meeting is not None
            self._group = self._meeting.join(name, rank, size, self.device, meeting)
            exchange = Ulysses(self._group, self.model.config.tokens, self.model.config.heads)
        self._rank.regroup(exchange, {PLAYER: past})
        self._failed = False
        self._warm_up()

    def past(self) -> Past:
        """The newest frames that were committed."""
        return self._rank.past(PLAYER)

    def reset(self) -> None:
        """Forgets all frames; what a group's other ranks remember is theirs to forget."""
        self._rank.close(PLAYER)
        self._rank.open(PLAYER)

    def step(self, actions: Tensor, noise: Tensor) -> Tensor:
        """Actions `[1, A]`, noise `[steps, 1, L, P]` → the next latent float32 `[1, c, h, w]`, the same on every
        rank. Where it raised `RankLostError`, it does so until `join`: others may have made that frame."""
        if self._failed:
            raise RankLostError("this rank has left its group of passes")
        try:
            return self._step(PLAYER, actions, noise)
        except RankLostError:
            self._failed = True
            self.leave()
            raise

    def leave(self) -> None:
        """Its group, without waiting for anybody. On a GPU another thread may: who waits in an exchange goes on."""
        group, self._group = self._group, None
        if group is not None:
            group.abandon()

    def _step(self, name: str, actions: Tensor, noise: Tensor) -> Tensor:
        made = self._rank.step([name], actions.to(self.device), noise.to(self.device))
        finish_together(self.device, self._group)
        return made

    def _warm_up(self) -> None:
        """Twice, in a group: only the second one says how long others may be waited for."""
        if self._group is None:
            return
        config = self.model.config
        self._rank.open(WARM_UP)
        actions = torch.zeros(1, config.action_size)
        noise = torch.zeros(len(config.sampling_levels), 1, config.tokens, config.token_size)
        for _ in range(2):
            began = time.perf_counter()
            self._step(WARM_UP, actions, noise)
        self._group.patience = max(PATIENCE, TIMES * (time.perf_counter() - began))
        self._rank.close(WARM_UP)


class PicturePart:
    """A decoder. Without a group it draws whole pictures, on a GPU as one captured graph."""

    def __init__(self, decoder: Decoder, shape: Sequence[int], meeting: Meeting | None) -> None:
        weight = next(decoder.parameters())
        self.device, self._dtype = weight.device, weight.dtype
        self._rank = DecoderRank(decoder, fused=True)
        self._meeting = meeting
        self._latents = torch.zeros(1, *shape, device=self.device, dtype=self._dtype)
        if self._latents.ndim == 4:
            self._latents = self._latents.contiguous(memory_format=torch.channels_last)
        self._whole: Replay[Tensor] | None = None

    def join(self, name: str, rank: int, size: int, meeting: float) -> None:
        """Draws strips from now on. Waits `meeting` seconds for the other ranks."""
        assert self._meeting is not None
        self._rank.regroup(self._meeting.join(name, rank, size, self.device, meeting))
        self._whole = None
        began = time.perf_counter()
        for _ in range(2):
            began = time.perf_counter()
            self._rank.draw(self._latents)
            finish_together(self.device, self._rank.group)
        assert self._rank.group is not None
        self._rank.group.patience = max(PATIENCE, TIMES * (time.perf_counter() - began))

    def draw(self, latents: Tensor) -> Tensor:
        """Latents `[1, c, h, w]` → a picture, uint8 `[1, H, W, 3]` on the CPU; it is in no group any more then."""
        if self._rank.group is not None:
            self._rank.regroup(None)
        if self._whole is None:
            self._whole = Replay(lambda: self._rank.draw(self._latents), self.device)
        self._latents.copy_(latents)
        return self._whole().cpu()

    def draw_strip(self, latents: Tensor) -> Tensor:
        """→ this rank's rows, uint8 `[1, rows, W, 3]` on the CPU. Raises `RankLostError`."""
        if self._rank.group is None:
            raise RankLostError("this rank is in no group of pictures")
        self._latents.copy_(latents)
        rows = self._rank.draw(self._latents)
        finish_together(self.device, self._rank.group)
        return rows.cpu()

    def leave(self) -> None:
        """Its group."""
        self._rank.regroup(None)
