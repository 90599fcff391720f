"""One device's part in passes and pictures that several share: tokens and heads of a pass (Ulysses), a strip of a
picture. What is exchanged, and how a lost rank is noticed, is in `cluster/`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch._C._distributed_c10d import Store

from dreamcade.cluster.process_group import Group
from dreamcade.cluster.sequence_parallel import Ulysses
from dreamcade.cluster.strips import strips_of
from dreamcade.codec import Codec
from dreamcade.codec.strips import Strips, in_strips
from dreamcade.core.errors import RankLostError
from dreamcade.dynamics import Dynamics
from dreamcade.dynamics.dynamics import Context
from dreamcade.dynamics.exchange import share_size

MEETING = 5.0
"""Seconds for all ranks of a group to come: all of them are running."""
PATIENCE = 0.8
"""Seconds for one exchange."""
FIRST_PATIENCE = 5.0
"""Seconds for one of a group's first frame."""


class Part:
    """`dynamics` and `codec` are in the executor's number format. Commands come to all ranks in the same order; one at
    a time. All raise `RankLostError` where another rank is gone, and then belong to no group any more."""

    def __init__(self, dynamics: Dynamics, codec: Codec, store: Store, host: str = "127.0.0.1") -> None:
        self._dynamics, self._codec = dynamics, codec
        self._store: Store | None = store
        self._host = host
        self._device = codec.mean.device
        self._passes: Group | None = None
        self._pictures: Group | None = None
        self._ulysses: Ulysses | None = None
        self._strips: Strips | None = None
        self._strip_codec: Codec | None = None

    def join_passes(self, name: str, rank: int, size: int) -> None:
        """Leaves the group that it was in, and joins another one."""
        self.leave_passes()
        self._passes = self._join(name, rank, size)
        self._ulysses = Ulysses(self._passes, self._dynamics.config.tokens, self._dynamics.config.heads)
        _warm_up(self._passes, lambda: self.sample(*self._nothing()))

    def join_pictures(self, name: str, rank: int, size: int) -> None:
        """Likewise for strips."""
        self.leave_pictures()
        self._pictures = self._join(name, rank, size)
        self._strips = strips_of(self._pictures, self._codec.config.latent_shape[1])
        self._strip_codec = in_strips(self._codec, self._strips)
        nothing = torch.zeros(1, *self._codec.config.latent_shape, dtype=self._dtype, device=self._device)
        _warm_up(self._pictures, lambda: self.draw(nothing))

    def leave_passes(self) -> None:
        """Whoever waits for this rank sees it gone."""
        if self._passes is not None:
            self._passes.abandon()
        self._passes = self._ulysses = None

    def leave_pictures(self) -> None:
        if self._pictures is not None:
            self._pictures.abandon()
        self._pictures = self._strips = self._strip_codec = None

    def close(self) -> None:
        """Leaves all groups, and the place where they meet."""
        self.leave_passes()
        self.leave_pictures()
        self._store = None

    @torch.inference_mode()
    def sample(self, context: Context, noise: Tensor) -> Tensor:
        """As `Executor.sample`; the context's memory is that of this rank's tokens. Same tokens on every rank."""
        if self._passes is None or self._ulysses is None:
            raise RankLostError("this rank is in no group of passes")
        shared = Context(context.recent, context.actions, context.memory, context.ages, self._ulysses)
        try:
            return self._dynamics.sample(shared, noise)
        except RankLostError:
            self.leave_passes()
            raise

    @torch.inference_mode()
    def draw(self, latents: Tensor) -> Tensor:
        """Latents `[B, c, h, w]`, all of them on every rank → this rank's rows, uint8 `[B, rows, W, 3]`."""
        if self._pictures is None or self._strips is None or self._strip_codec is None:
            raise RankLostError("this rank is in no group of pictures")
        try:
            return self._strip_codec.decode_pixels(self._strips.own(latents))
        except RankLostError:
            self.leave_pictures()
            raise

    @property
    def _dtype(self) -> torch.dtype:
        return self._dynamics.leave.weight.dtype

    def _nothing(self) -> tuple[Context, Tensor]:
        """A context of one row, and its noise."""
        assert self._ulysses is not None
        config, like = self._dynamics.config, self._dynamics.leave.weight
        recent = like.new_zeros(1, config.recent, config.tokens, config.latent_channels)
        places = share_size(self._ulysses.tokens, config.tokens)
        memory = like.new_zeros(1, config.memory, places, config.width)
        ages = torch.zeros(1, config.memory, dtype=torch.int64, device=like.device)
        actions = like.new_zeros(1, config.action_history, config.action_size)
        noise = like.new_zeros(len(config.sampling_levels), 1, *self._dynamics.noise_shape)
        return Context(recent, actions, [(memory, memory)] * len(config.memory_layers), ages), noise

    def _join(self, name: str, rank: int, size: int) -> Group:
        if self._store is None:
            raise RankLostError("this rank has left for good")
        return Group.join(
            self._store, name, rank, size, host=self._host, device=self._device, meeting=MEETING,
            patience=FIRST_PATIENCE,
        )  # fmt: skip


def _warm_up(group: Group, frame: Callable[[], Tensor]) -> None:
    """Kernels are chosen, and perhaps compiled, in a group's first frame: for that alone there is more time."""
    frame()
    group.patience = PATIENCE
